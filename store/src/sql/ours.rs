//! The tables that we add. Times are milliseconds since 1970.
#![expect(unreachable_pub, reason = "the derives write `pub` types that name these")]

/// A recovery, from the report that asks for it to its end.
pub(crate) mod recoveries {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_recoveries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub notification: String,
        // What an engine asks for four times a second stands here, so that it need not ask Masakari's
        // table, which has no index for it.
        pub source_host: String,
        pub segment: String,
        pub kind: String,
        pub created_ms: i64,
        /// Nothing until it has ended.
        pub closed_ms: Option<i64>,
        /// The last that its log says of permits is that there is none.
        pub held: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod leases {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_leases")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub lease_key: String,
        pub owner: Option<String>,
        pub generation: i64,
        pub beat: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod log {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_log")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub recovery: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub at_ms: i64,
        pub generation: i64,
        /// The entry as JSON.
        pub entry: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod evidence {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_evidence")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub host: String,
        pub kind: String,
        pub at_ms: i64,
        pub source: String,
        pub raw: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod requests {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub asked: String,
        /// The host, or the notification, that it is about.
        pub host: String,
        pub reason: String,
        pub who: String,
        pub created_ms: i64,
        pub deadline_ms: i64,
        pub state: String,
        pub answer: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Notifications by the keys that Masakari's own table lacks.
pub(crate) mod history {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_history")]
    pub struct Model {
        /// The notification's.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub created_at: Option<DateTime>,
        pub generated_time: DateTime,
        pub source_host: String,
        pub kind: String,
        /// Nothing until it has ended.
        pub status: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A server that was restarted by a recovery, and when.
pub(crate) mod restarts {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_restarts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub notification: String,
        pub server: String,
        pub at_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A server that was, or was to be, evacuated from a dead host; one row for each VM move.
pub(crate) mod deaths {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_deaths")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub vmove: String,
        pub notification: String,
        pub server: String,
        pub host: String,
        /// When it was planned.
        pub at_ms: i64,
        /// It was evacuated.
        pub moved: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A host that is on maintenance only because a process of it failed.
pub(crate) mod maintenance {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_maintenance")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub host: String,
        /// The report of the process.
        pub notification: String,
        pub since_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What was reported, and when it was last accepted.
/// A recovery that has left its host out of service.
pub(crate) mod returns {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_returns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub recovery: String,
        pub host: String,
        pub since_ms: i64,
        /// Nothing until the host is back.
        pub closed_ms: Option<i64>,
        /// What a client has said of its maintenance since.
        pub word: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod fingerprints {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_fingerprints")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        /// Its SHA-256, so that it may be of any length.
        pub fingerprint: String,
        pub accepted_ms: i64,
        pub notification: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The one row of the guard: whoever lets something begin raises its number.
pub(crate) mod guard {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_guard")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub beat: i64,
        pub storm_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A turn of the guard's switch; the last one counts.
pub(crate) mod switches {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_switches")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub at_ms: i64,
        pub armed: bool,
        pub who: String,
        pub reason: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A planned stop of a host.
pub(crate) mod stops {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_stops")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub host: String,
        pub kind: String,
        pub who: String,
        pub reason: Option<String>,
        pub at_ms: i64,
        pub until_ms: i64,
        /// When a person, or another stop, ended it before its time.
        pub ended_ms: Option<i64>,
        pub ended_by: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A recovery that the guard let begin, and when.
pub(crate) mod passed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_passed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub notification: String,
        pub at_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the last look at a host's fence devices came to.
pub(crate) mod fence_checks {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_fence_checks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub host: String,
        pub at_ms: i64,
        pub since_ms: i64,
        pub readiness: String,
        pub found: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The last sign of life of each kind that was told of a host.
pub(crate) mod sightings {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_sightings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub host: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub sign: String,
        pub at_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where and when a guest agent was said to answer last.
pub(crate) mod guests {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_guests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub server: String,
        pub host: String,
        pub at_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which machine a host is, as its agent said last.
pub(crate) mod identities {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "ha_identities")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub host: String,
        pub boot: String,
        pub uuid: Option<String>,
        pub serial: Option<String>,
        pub booted_ms: i64,
        pub at_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
