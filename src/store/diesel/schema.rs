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
    answers (scope, number) {
        scope -> Text,
        number -> BigInt,
        key_digest -> Binary,
        asked -> Binary,
        permissions -> BigInt,
        answered_at -> BigInt,
        bytes -> BigInt,
        bytes_before -> BigInt,
        status -> BigInt,
        headers -> Text,
        body -> Binary,
    }
}

diesel::table! {
    authorizers (project_id) {
        project_id -> Text,
        url -> Text,
        secret -> Text,
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
    deliveries (event_id, webhook_id) {
        webhook_id -> Text,
        event_id -> Text,
        project_id -> Text,
        seq -> BigInt,
        event -> Text,
        state -> Text,
        created_at -> BigInt,
        attempts -> BigInt,
        is_retry -> BigInt,
        next_attempt_at -> BigInt,
        gives_up_at -> BigInt,
        last_status -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        delivered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    event_bodies (event_id) {
        event_id -> Text,
        body -> Text,
    }
}

diesel::table! {
    event_sequences (project_id) {
        project_id -> Text,
        last_seq -> BigInt,
    }
}

diesel::table! {
    jwt_keys (id) {
        id -> Text,
        project_id -> Text,
        kid -> Nullable<Text>,
        kind -> Text,
        algorithm -> Nullable<Text>,
        material -> Text,
        issuer -> Nullable<Text>,
        audience -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    jwt_revocations (project_id, subject) {
        project_id -> Text,
        subject -> Text,
        revoked_at -> BigInt,
    }
}

diesel::table! {
    lines (epoch) {
        epoch -> BigInt,
        project_id -> Nullable<Text>,
        channel_id -> Nullable<Text>,
        last_offset -> BigInt,
        last_number -> BigInt,
        bytes -> BigInt,
        gone_offset -> BigInt,
        gone_number -> BigInt,
        gone_bytes -> BigInt,
        trimmed_offset -> BigInt,
        due_at -> BigInt,
        max_messages -> Nullable<BigInt>,
        max_seconds -> Nullable<BigInt>,
    }
}

diesel::table! {
    mailboxes (epoch) {
        epoch -> BigInt,
        project_id -> Text,
        token_id -> Nullable<Text>,
        last_number -> BigInt,
        messages -> BigInt,
        bytes -> BigInt,
    }
}

diesel::table! {
    mails (epoch, state, number) {
        epoch -> BigInt,
        state -> BigInt,
        number -> BigInt,
        since -> BigInt,
        due_at -> BigInt,
        bytes -> BigInt,
        event -> Text,
        data -> Text,
    }
}

diesel::table! {
    messages (epoch, line_offset) {
        epoch -> BigInt,
        line_offset -> BigInt,
        number -> BigInt,
        bytes -> BigInt,
        bytes_before -> BigInt,
        published_at -> BigInt,
        sender -> Nullable<Text>,
        event -> Text,
        data -> Text,
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
        allowed_origins -> Nullable<Text>,
    }
}

diesel::table! {
    registers (project_id, channel_id, register, session_id) {
        project_id -> Text,
        channel_id -> Text,
        register -> Text,
        session_id -> Text,
        token_id -> Nullable<Text>,
    }
}

diesel::table! {
    seen_channels (project_id, channel_id) {
        project_id -> Text,
        channel_id -> Text,
    }
}

diesel::table! {
    state_logs (id) {
        id -> BigInt,
        project_id -> Nullable<Text>,
        channel_id -> Nullable<Text>,
        last_version -> BigInt,
        patches -> BigInt,
        bytes -> BigInt,
        gone_version -> BigInt,
        gone_bytes -> BigInt,
        due_at -> BigInt,
    }
}

diesel::table! {
    state_versions (log_id, version) {
        log_id -> BigInt,
        version -> BigInt,
        changed_at -> BigInt,
        state_bytes -> BigInt,
        stored -> BigInt,
        stored_before -> BigInt,
        author -> Nullable<Text>,
        patch -> Nullable<Text>,
        state -> Nullable<Text>,
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
    unheard (token_id) {
        token_id -> Text,
        missed -> Nullable<BigInt>,
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
        previous_secret -> Nullable<Text>,
        previous_secret_until -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
    }
}

diesel::joinable!(authorizers -> projects (project_id));
diesel::joinable!(channels -> projects (project_id));
diesel::joinable!(deliveries -> event_bodies (event_id));
diesel::joinable!(deliveries -> webhooks (webhook_id));
diesel::joinable!(event_sequences -> projects (project_id));
diesel::joinable!(jwt_keys -> projects (project_id));
diesel::joinable!(jwt_revocations -> projects (project_id));
diesel::joinable!(project_tokens -> projects (project_id));
diesel::joinable!(registers -> projects (project_id));
diesel::joinable!(tokens -> projects (project_id));
diesel::joinable!(webhooks -> projects (project_id));

diesel::allow_tables_to_appear_in_same_query!(
    admin_tokens,
    answers,
    authorizers,
    channels,
    deliveries,
    event_bodies,
    event_sequences,
    jwt_keys,
    jwt_revocations,
    lines,
    mailboxes,
    mails,
    messages,
    project_tokens,
    projects,
    registers,
    seen_channels,
    state_logs,
    state_versions,
    subscriptions,
    tokens,
    unheard,
    webhooks,
);
