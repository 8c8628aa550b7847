//! What all connections of a server share: one field for each owner.

use super::helpers::Helpers;
use super::live::LiveSettings;
use super::operator::Operator;
use super::users::LiveUsers;
use crate::base::clock::Clock;
use crate::clients::Clients;
use crate::figures::Figures;
use crate::keyspace::Keyspace;
use crate::pubsub::PubSub;
use crate::script::Scripts;
use crate::script::functions::Functions;
use crate::table::Table;
use crate::tracking::Tracking;

/// The parts of a running server.
pub struct Shared {
    pub table: &'static Table,
    pub keyspace: Keyspace,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    pub scripts: Scripts,
    pub functions: Functions,
    pub helpers: Helpers,
    pub settings: LiveSettings,
    pub users: LiveUsers,
    pub figures: Figures,
    pub operator: Operator,
    pub clock: Clock,
    /// Begins the stop of the server (SHUTDOWN, signals).
    pub stop: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    /// CONFIG RESETSTAT.
    pub fn reset_figures(&self) {
        self.figures.reset();
        self.operator.limit.reset_longest();
        self.keyspace.reset_figures();
    }
}
