//! The store against a plain map: the fuzz target's check on random cases, shrunk where one fails.

#[path = "../fuzz/src/store.rs"]
mod store;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn store_answers_like_a_map(case in proptest::collection::vec(any::<u8>(), 0..6000)) {
        store::check_store_case(&case);
    }
}
