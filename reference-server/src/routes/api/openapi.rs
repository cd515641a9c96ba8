//! What the OpenAPI document says besides the routes.

use passkey_accounts::protocol::http::Problem;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Passkey Accounts",
        description = "Who is signed in, for back ends. Events come over the socket at the same address (docs/asyncapi.yaml).",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&ApiKey),
    security(("apiKey" = []))
)]
pub(super) struct Document;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("pa_<env>_<id>_<secret>_<crc32>")
            .description(Some("An API key of the app."))
            .build();
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("apiKey", SecurityScheme::Http(scheme));
    }
}
