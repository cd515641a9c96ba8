//! The HTTP API spoken by hand. Every answer is held against the server's own OpenAPI document.

use jsonschema::Validator;
use reqwest::{Client, Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};

use crate::TestServer;

/// A back end that speaks HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    origin: String,
    document: Value,
    /// Its API key.
    pub key: String,
}

/// An answer that the document allows.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: header::HeaderMap,
    /// The body, read; null where there is none.
    pub body: Value,
}

impl Answer {
    /// The problem's word, where it is one.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are text"))
    }
}

impl Http {
    /// With the server's own key, which has every scope.
    pub async fn new(server: &TestServer) -> Self {
        let client = Client::new();
        let origin = server.origin();
        let document = client.get(format!("{origin}/openapi.json")).send().await.expect("the server answers");
        let document = document.json().await.expect("the document is JSON");
        Self { client, origin, document, key: server.api_key.clone() }
    }

    /// The same with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The OpenAPI document.
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// A request without a key.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin))
    }

    /// A request with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Sends a request, and checks the answer against the document.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("the request can be built");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.client.execute(request).await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("the answer is text");
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{method} {path} {status}: {error}: {text}"))
        };
        let answer = Answer { status: status.as_u16(), headers, body };
        self.check(&method, &path, status, &answer);
        answer
    }

    fn check(&self, method: &Method, path: &str, status: StatusCode, answer: &Answer) {
        let Some(item) = self.item(path) else {
            assert_eq!(status, StatusCode::NOT_FOUND, "{path} answers and is not in the document");
            return;
        };
        let Some(operation) = item.get(method.as_str().to_lowercase()) else {
            assert!(
                matches!(status.as_u16(), 401 | 403 | 405),
                "{method} {path} is not in the document: {status}"
            );
            return;
        };
        let response = operation["responses"].get(status.as_str());
        let response = response
            .unwrap_or_else(|| panic!("{method} {path} answers {status}, which is not in the document"));
        let kind = answer.header("content-type");
        let kind = kind.split(';').next().unwrap_or_default();
        let Some(content) = response.get("content").and_then(Value::as_object) else {
            assert_eq!(
                answer.body,
                Value::Null,
                "{method} {path} {status}: a body that is not in the document"
            );
            return;
        };
        let content = content
            .get(kind)
            .unwrap_or_else(|| panic!("{method} {path} {status}: {kind:?} is not in the document"));
        let errors: Vec<String> = self
            .validator(&content["schema"])
            .iter_errors(&answer.body)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{method} {path} {status}: {errors:?}\n{}", answer.body);
    }

    /// A validator of one schema of the document.
    pub fn validator(&self, schema: &Value) -> Validator {
        let mut root = json!({ "components": self.document["components"] });
        if let (Value::Object(root), Value::Object(schema)) = (&mut root, schema.clone()) {
            root.extend(schema);
        }
        jsonschema::options().should_validate_formats(true).build(&root).expect("the schema is one")
    }

    fn item(&self, path: &str) -> Option<&Value> {
        let paths = self.document["paths"].as_object().expect("the document has paths");
        let fits = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            template.len() == path.len()
                && template.iter().zip(&path).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
        };
        paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item)
    }
}
