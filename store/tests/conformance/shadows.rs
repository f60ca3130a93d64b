//! The database of a shadow is nobody else's.
#![cfg(test)]

use crate::doors::connect;
use ports::{SystemClock, SystemEntropy};
use std::{path::Path, sync::Arc};
use store::{Sql, SqlOptions, StoreError};

async fn shadow(path: &Path) -> Result<Sql, StoreError> {
    let options = SqlOptions::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new().unwrap()));
    Sql::shadow(path, options).await
}

fn url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

#[tokio::test]
async fn a_new_file_becomes_a_shadows_and_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/yet/shadow.sqlite");
    let new = shadow(&path).await.unwrap();
    new.sync().await.unwrap();
    // Another process, while the first one runs; an engine that would act is told.
    let beside = shadow(&path).await.unwrap();
    assert!(beside.is_a_shadow().await.unwrap());
    assert!(connect(&url(&path)).await.is_a_shadow().await.unwrap());
    new.close().await;
    shadow(&path).await.unwrap().sync().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_in_use_does_not_become_a_shadows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("masakari.sqlite");
    let real = connect(&url(&path)).await;
    real.sync().await.unwrap();
    assert!(!real.is_a_shadow().await.unwrap());
    real.close().await;
    let before = std::fs::read(&path).unwrap();
    let refused = shadow(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert!(refused.to_string().contains("was not made by one"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "not a byte of it is changed");
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("masakari.conf");
    std::fs::write(&path, "[database]\n").unwrap();
    assert!(matches!(shadow(&path).await, Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"[database]\n");
    let odd = directory.path().join("a?mode=ro");
    assert!(matches!(shadow(&odd).await, Err(StoreError::Foreign { .. })));
    assert!(matches!(shadow(directory.path()).await, Err(StoreError::Foreign { .. })));
}
