//! What is served, and from which files of the repository: a new file of the pages is a line here.

/// Takes each file into the binary.
macro_rules! files {
    ($($path:literal => $file:literal,)+) => {
        /// Where each file is, and its bytes.
        pub(super) static FILES: &[(&str, &[u8])] = &[
            $(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $file))),)+
        ];
    };
}

files! {
    "/" => "static/index.html",
    "/console" => "static/console.html",
    "/static/app.js" => "static/app.js",
    "/static/console.css" => "static/console.css",
    "/static/console/api.js" => "static/console/api.js",
    "/static/console/app.js" => "static/console/app.js",
    "/static/console/find_connections.js" => "static/console/find_connections.js",
    "/static/console/hooks.js" => "static/console/hooks.js",
    "/static/console/inspect.js" => "static/console/inspect.js",
    "/static/console/json.js" => "static/console/json.js",
    "/static/console/json_view.js" => "static/console/json_view.js",
    "/static/console/live.js" => "static/console/live.js",
    "/static/console/main.js" => "static/console/main.js",
    "/static/console/merge.js" => "static/console/merge.js",
    "/static/console/message_list.js" => "static/console/message_list.js",
    "/static/console/metrics.js" => "static/console/metrics.js",
    "/static/console/pages.js" => "static/console/pages.js",
    "/static/console/pages/attention.js" => "static/console/pages/attention.js",
    "/static/console/pages/authorizer.js" => "static/console/pages/authorizer.js",
    "/static/console/pages/channel.js" => "static/console/pages/channel.js",
    "/static/console/pages/channel_messages.js" => "static/console/pages/channel_messages.js",
    "/static/console/pages/channel_people.js" => "static/console/pages/channel_people.js",
    "/static/console/pages/channel_settings.js" => "static/console/pages/channel_settings.js",
    "/static/console/pages/channel_state.js" => "static/console/pages/channel_state.js",
    "/static/console/pages/channel_versions.js" => "static/console/pages/channel_versions.js",
    "/static/console/pages/channels.js" => "static/console/pages/channels.js",
    "/static/console/pages/closes.js" => "static/console/pages/closes.js",
    "/static/console/pages/connection_table.js" => "static/console/pages/connection_table.js",
    "/static/console/pages/connections.js" => "static/console/pages/connections.js",
    "/static/console/pages/inspector.js" => "static/console/pages/inspector.js",
    "/static/console/pages/inspector_entry.js" => "static/console/pages/inspector_entry.js",
    "/static/console/pages/overview.js" => "static/console/pages/overview.js",
    "/static/console/pages/project_tokens.js" => "static/console/pages/project_tokens.js",
    "/static/console/pages/projects.js" => "static/console/pages/projects.js",
    "/static/console/pages/publish.js" => "static/console/pages/publish.js",
    "/static/console/pages/republish.js" => "static/console/pages/republish.js",
    "/static/console/pages/settings.js" => "static/console/pages/settings.js",
    "/static/console/pages/sign_in.js" => "static/console/pages/sign_in.js",
    "/static/console/pages/state_changes.js" => "static/console/pages/state_changes.js",
    "/static/console/pages/token.js" => "static/console/pages/token.js",
    "/static/console/pages/tokens.js" => "static/console/pages/tokens.js",
    "/static/console/pages/webhook.js" => "static/console/pages/webhook.js",
    "/static/console/pages/webhooks.js" => "static/console/pages/webhooks.js",
    "/static/console/plot.js" => "static/console/plot.js",
    "/static/console/route.js" => "static/console/route.js",
    "/static/console/session.js" => "static/console/session.js",
    "/static/console/theme_button.js" => "static/console/theme_button.js",
    "/static/console/ui.js" => "static/console/ui.js",
    "/static/console/words.js" => "static/console/words.js",
    "/static/icon.svg" => "static/icon.svg",
    "/static/style.css" => "static/style.css",
    "/static/theme.css" => "static/theme.css",
    "/static/theme.js" => "static/theme.js",
    "/static/vendor/htm-preact.js" => "static/vendor/htm-preact.js",
    "/static/vendor/htm.LICENSE.txt" => "static/vendor/htm.LICENSE.txt",
    "/static/vendor/preact.LICENSE.txt" => "static/vendor/preact.LICENSE.txt",
    "/static/vendor/uplot.LICENSE.txt" => "static/vendor/uplot.LICENSE.txt",
    "/static/vendor/uplot.css" => "static/vendor/uplot.css",
    "/static/vendor/uplot.js" => "static/vendor/uplot.js",
    "/static/warren.js" => "clients/js/dist/warren.js",
}
