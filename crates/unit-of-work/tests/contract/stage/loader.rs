//! A loader.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use sea_orm::DbErr;
use unit_of_work::{UnitLoader, UnitOfWork};

use super::sql::count_marks;

/// Answers the number of marks for every key, in one statement per batch, and notes the size of the batch.
pub struct MarkCounts {
    unit: UnitOfWork,
}

impl UnitLoader for MarkCounts {
    fn from_unit(unit: UnitOfWork) -> Self {
        Self { unit }
    }
}

impl Loader<i32> for MarkCounts {
    type Value = i64;
    type Error = DbErr;

    async fn load(&self, keys: &[i32]) -> Result<HashMap<i32, i64>, DbErr> {
        let count = count_marks(&self.unit).await?;
        Ok(keys.iter().map(|key| (*key, count)).collect())
    }
}
