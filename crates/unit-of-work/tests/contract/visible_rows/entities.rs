//! Documents and their notes, as entities.
#![expect(
    clippy::disallowed_methods,
    reason = "SeaORM's nested saves begin transactions"
)]

pub(super) mod document {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "document")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: String,
        #[sea_orm(unique)]
        pub title: String,
        pub is_open: bool,
        pub written_at: DateTimeUtc,
        pub pages: Option<i64>,
        #[sea_orm(has_many)]
        pub notes: HasMany<super::note::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod note {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub document_id: Uuid,
        #[sea_orm(unique)]
        pub text: String,
        #[sea_orm(belongs_to, from = "document_id", to = "id")]
        pub document: BelongsTo<super::document::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
