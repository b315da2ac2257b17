// @generated automatically by Diesel CLI.

diesel::table! {
    admin_tokens (id) {
        id -> Text,
        name -> Nullable<Text>,
        secret_hash -> Binary,
        hint -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    channels (project_id, id) {
        project_id -> Text,
        id -> Text,
        #[sql_name = "type"]
        type_ -> Text,
        capabilities -> BigInt,
        version -> BigInt,
        created_at -> BigInt,
        state -> Text,
    }
}

diesel::table! {
    project_tokens (id) {
        id -> Text,
        project_id -> Text,
        secret_hash -> Binary,
        permissions -> BigInt,
        hint -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    projects (id) {
        id -> Text,
        name -> Text,
        namespace -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    seen_channels (project_id, channel_id) {
        project_id -> Text,
        channel_id -> Text,
    }
}

diesel::table! {
    subscriptions (project_id, channel_id, token_id) {
        project_id -> Text,
        channel_id -> Text,
        token_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    tokens (id) {
        id -> Text,
        project_id -> Text,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
        state -> Text,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Text,
        project_id -> Text,
        url -> Text,
        events -> Text,
        secret -> Text,
        created_at -> BigInt,
    }
}

diesel::joinable!(channels -> projects (project_id));
diesel::joinable!(project_tokens -> projects (project_id));
diesel::joinable!(tokens -> projects (project_id));
diesel::joinable!(webhooks -> projects (project_id));

diesel::allow_tables_to_appear_in_same_query!(
    admin_tokens,
    channels,
    project_tokens,
    projects,
    seen_channels,
    subscriptions,
    tokens,
    webhooks,
);
