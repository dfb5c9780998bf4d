//! The tables, as SeaORM knows them.

/// Notes.
pub mod note {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        #[sea_orm(unique)]
        pub text: String,
        pub is_read: bool,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
