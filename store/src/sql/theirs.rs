//! The four tables of Masakari, as its newest migration makes them.
#![expect(unreachable_pub, reason = "the derives write `pub` types that name these")]

/// A column of words, which is a native ENUM where the database has one.
macro_rules! words {
    ($name:ident, $in_database:literal, $noun:ty, $($variant:ident = $word:literal),+) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug, EnumIter, DeriveActiveEnum)]
        #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = $in_database)]
        pub enum $name { $(#[sea_orm(string_value = $word)] $variant),+ }

        impl From<$noun> for $name {
            fn from(noun: $noun) -> Self {
                match noun { $(<$noun>::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $noun {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

pub(crate) mod segments {
    use sea_orm::entity::prelude::*;

    words!(
        Method,
        "recovery_methods",
        recovery::nouns::RecoveryMethod,
        Auto = "auto",
        ReservedHost = "reserved_host",
        AutoPriority = "auto_priority",
        RhPriority = "rh_priority"
    );

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "failover_segments")]
    pub struct Model {
        pub created_at: Option<DateTime>,
        pub updated_at: Option<DateTime>,
        pub deleted_at: Option<DateTime>,
        pub deleted: Option<i32>,
        #[sea_orm(primary_key)]
        pub id: i32,
        pub uuid: String,
        pub name: String,
        pub service_type: String,
        pub description: Option<String>,
        pub recovery_method: Method,
        pub enabled: Option<bool>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod hosts {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "hosts")]
    pub struct Model {
        pub created_at: Option<DateTime>,
        pub updated_at: Option<DateTime>,
        pub deleted_at: Option<DateTime>,
        pub deleted: Option<i32>,
        #[sea_orm(primary_key)]
        pub id: i32,
        pub uuid: String,
        pub name: String,
        pub reserved: Option<bool>,
        #[sea_orm(column_name = "type")]
        pub kind: String,
        pub control_attributes: String,
        pub failover_segment_id: String,
        pub on_maintenance: Option<bool>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod notifications {
    use sea_orm::entity::prelude::*;

    words!(
        Status,
        "notification_status",
        recovery::nouns::NotificationStatus,
        New = "new",
        Running = "running",
        Error = "error",
        Failed = "failed",
        Ignored = "ignored",
        Finished = "finished"
    );

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "notifications")]
    pub struct Model {
        pub created_at: Option<DateTime>,
        pub updated_at: Option<DateTime>,
        pub deleted_at: Option<DateTime>,
        pub deleted: Option<i32>,
        #[sea_orm(primary_key)]
        pub id: i32,
        pub notification_uuid: String,
        pub generated_time: DateTime,
        pub source_host_uuid: String,
        #[sea_orm(column_name = "type")]
        pub kind: String,
        pub payload: Option<String>,
        pub status: Status,
        pub failover_segment_uuid: Option<String>,
        pub message: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod vmoves {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "vmoves")]
    pub struct Model {
        pub created_at: Option<DateTime>,
        pub updated_at: Option<DateTime>,
        pub deleted_at: Option<DateTime>,
        pub deleted: Option<i32>,
        #[sea_orm(primary_key)]
        pub id: i32,
        pub uuid: String,
        pub notification_uuid: String,
        pub instance_uuid: String,
        pub instance_name: String,
        pub source_host: Option<String>,
        pub dest_host: Option<String>,
        pub start_time: Option<DateTime>,
        pub end_time: Option<DateTime>,
        #[sea_orm(column_name = "type")]
        pub kind: Option<String>,
        pub status: Option<String>,
        pub message: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
