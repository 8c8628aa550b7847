//! The model with one rule broken: the search must find the law that this breaks. A law that no mutant breaks
//! would prove nothing.

use super::laws::LAWS;
use super::scenarios::*;
use super::search::{Scenario, search};
use super::step::Mutant::{self, *};
use super::world::Rules;

/// Which law each mutant breaks, and in which scenario that shows.
const MUTANTS: &[(Mutant, u8, &Scenario)] = &[
    (OldLeaseStays, 1, &CALLERS),
    (PutKeepsLease, 2, &CALLERS),
    (DelKeepsLease, 3, &CALLERS),
    (SetKeepsLease, 3, &CALLERS),
    (DelKeepsValue, 4, &CALLERS),
    (SoftValueIsHit, 4, &STALE),
    (WaitHasNoEnd, 5, &CALLERS),
    (AnsweredTwice, 5, &MANY),
    (TwoLeaders, 6, &CALLERS),
    (FailElectsNobody, 7, &CALLERS),
    (LeaseEndElectsNobody, 7, &CALLERS),
    (DelElectsNobody, 7, &CALLERS),
    (NoYield, 7, &SLOTS),
    (RepliesOvertake, 8, &REPLIES),
    (SlotBlocksConnection, 8, &REPLIES),
    (SlotBlocksConnection, 9, &SLOTS),
    (NewestFirstNoYield, 9, &SLOTS),
    (MGetHoldsAndWaits, 10, &MANY),
    (LeaseEndElectsNobody, 11, &CALLERS),
    (NewestFirst, 11, &CALLERS),
    (FailUnchecked, 12, &RESENDS),
    (RenewAdds, 12, &RESENDS),
    (NonceElectsAnew, 12, &RESENDS),
    (PutKeepsLease, 12, &RESENDS),
    (CloseKeepsLease, 13, &CALLERS),
    (AbsentDelKeepsLease, 14, &CALLERS),
    (MultiKeepsLease, 14, &DATABASES),
    (FlushKeepsLeases, 14, &DATABASES),
    (SwapKeepsLeases, 14, &DATABASES),
    (RenameKeepsSource, 14, &RENAMED),
    (RenameKeepsTarget, 14, &DATABASES),
    (ExpiryVoids, 15, &STALE),
    (EvictionVoids, 15, &STALE),
    (ExpireVoids, 15, &STALE),
    (StaleShows, 16, &STALE),
    (NoneShows, 16, &STALE),
    (RecordStays, 17, &CALLERS),
    (DupForEver, 17, &CALLERS),
    (CopyPerWaiter, 18, &CALLERS),
    (UncountedWait, 19, &CALLERS),
    (ShedWaits, 20, &LIMITS),
    (FavoursCount, 21, &LIMITS),
];

fn broken_by(mutant: Mutant, law: u8, scenario: &Scenario) -> Option<String> {
    let rules = Rules { mutant: Some(mutant), ..scenario.rules };
    let scenario =
        Scenario { name: scenario.name, rules, alphabet: scenario.alphabet, depth: scenario.depth };
    search(&scenario, scenario.depth + 3, Some(law)).broken.map(|broken| broken.trace)
}

#[test]
fn every_broken_rule_breaks_its_law() {
    let mut survived = Vec::new();
    for (mutant, law, scenario) in MUTANTS {
        match broken_by(*mutant, *law, scenario) {
            Some(trace) => {
                let steps = trace.lines().filter(|line| line.get(3..4) == Some(".")).count();
                println!("{mutant:?} breaks law {law} in {steps} steps");
            }
            None => survived.push((mutant, law, scenario.name)),
        }
    }
    assert!(survived.is_empty(), "nothing noticed: {survived:?}");
}

#[test]
fn every_law_is_broken_by_a_mutant() {
    let unproved: Vec<u8> = LAWS
        .iter()
        .map(|law| law.number)
        .filter(|law| MUTANTS.iter().all(|(_, other, _)| other != law))
        .collect();
    assert!(unproved.is_empty(), "no mutant breaks {unproved:?}");
}
