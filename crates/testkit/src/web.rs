//! Portals of a federation.

use std::sync::Arc;

use tacit_federation::{
    config::Environment,
    run::{RunningPortal, Surroundings, start_portal},
};

use crate::{Federation, KitError};

impl Federation {
    /// Starts a portal of this name, with these desks as its file has them; paths start in the federation's folder.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn portal(&self, name: &str, database: &str, desks: &str) -> Result<RunningPortal, KitError> {
        let file = self.config(name);
        let head = format!("role = \"portal\"\nname = \"{name}\"\ndatabase = \"{database}\"\n");
        std::fs::write(&file, format!("{head}\n{desks}"))?;
        Ok(start_portal(&file, Environment::Ignored, &Surroundings::new(Arc::clone(self.clock()))).await?)
    }
}
