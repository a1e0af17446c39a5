//! What a page is asked for, and by whom.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{Uri, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Web, address::encoded, tasks::Tasks, trouble::Trouble};
use crate::{
    Site,
    access::{Role, Viewer},
    act::Action,
};

/// What a page is asked for, and by whom.
#[derive(Clone)]
pub(crate) struct View {
    pub(super) web: Arc<Web>,
    /// Who looks.
    pub(crate) viewer: Viewer,
    /// Path and query, without what all of it is mounted under.
    pub(crate) uri: Uri,
    params: HashMap<String, String>,
}

impl View {
    /// What there is to look at.
    pub(crate) fn site(&self) -> &Site {
        &self.web.site
    }

    /// What is done in the background.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.web.tasks
    }

    /// JSON as it may be shown: of an event's type, or of a job's kind.
    pub(crate) fn masked(&self, of: &str, value: Value) -> Value {
        self.site().mask.shown(of, value)
    }

    /// A part of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    /// What stands after the question mark.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        let query = Query::try_from_uri(&self.uri).map_err(|error| Trouble::Misunderstood(error.body_text()))?;
        Ok(query.0)
    }

    /// Whether who looks may do what needs this role.
    pub(crate) fn may(&self, needs: Role, queue: Option<&str>) -> bool {
        self.viewer.may(needs, queue)
    }

    /// The address of a page: `/queues` is `/millgate/queues` where the dashboard is mounted under `/millgate`.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.web.base)
    }

    /// The address of a page by the parts of its path, which may hold anything.
    pub(crate) fn link_to(&self, parts: &[&str]) -> String {
        self.link(&format!("/{}", parts.iter().map(|part| encoded(part)).collect::<Vec<_>>().join("/")))
    }

    /// The address of a page with what it is asked for.
    pub(crate) fn link_with(&self, path: &str, query: &[(&str, &str)]) -> String {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.link(&format!("{path}?{}", query.join("&")))
    }

    /// Whether who looks may do that.
    pub(crate) fn may_act(&self, action: &Action) -> bool {
        let (needs, queue) = action.needs();
        self.may(needs, queue)
    }

    /// The address of this page.
    pub(crate) fn here(&self) -> String {
        self.link(self.uri.path_and_query().map_or("/", |here| here.as_str()))
    }

    /// What forms carry in the field `csrf`.
    pub(crate) fn csrf(&self) -> &str {
        &self.web.csrf_mark
    }
}

impl FromRequestParts<Arc<Web>> for View {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Trouble> {
        let params = Path::from_request_parts(parts, web).await;
        let params = params.map_or_else(|_| HashMap::new(), |Path(params)| params);
        // Nobody asks where there is no access layer.
        let viewer = parts.extensions.get::<Viewer>().cloned().unwrap_or_else(|| Viewer::everything("anybody"));
        Ok(Self { web: web.clone(), viewer, uri: parts.uri.clone(), params })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_part_of_an_address_says_nothing_else() {
        assert_eq!(encoded("crm.sync-2"), "crm.sync-2");
        assert_eq!(encoded("a/../b?c=\"ü\"&"), "a%2F..%2Fb%3Fc%3D%22%C3%BC%22%26");
    }
}
