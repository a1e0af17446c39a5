//! Style, script and icon: in the program, and kept by browsers until they change.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Path,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

use super::Web;

/// Name, type, content.
const ASSETS: [(&str, &str, &str); 3] = [
    ("dashboard.css", "text/css; charset=utf-8", include_str!("assets/dashboard.css")),
    ("dashboard.js", "text/javascript; charset=utf-8", include_str!("assets/dashboard.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// Another one whenever an asset changes.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let all = ASSETS.iter().fold(Sha256::new(), |sum, (_, _, content)| sum.chain_update(content));
    all.finalize().iter().take(6).fold(String::new(), |edition, byte| format!("{edition}{byte:02x}"))
});

/// The address of an asset.
pub(crate) fn link(base: &str, name: &str) -> String {
    format!("{base}/assets/{}/{name}", *EDITION)
}

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new().route("/assets/{edition}/{name}", get(serve))
}

async fn serve(Path((_, name)): Path<(String, String)>) -> Response {
    let Some((_, kind, content)) = ASSETS.iter().find(|(known, _, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")], *content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_small() {
        let bytes: usize = ASSETS.iter().map(|(_, _, content)| content.len()).sum();
        assert!(bytes < 150_000, "{bytes}");
    }
}
