//! The document of `/ha/v1` against what the application answers: [`super::world::World`] shows it every answer of
//! every test, and here is what no answer shows.
//!
//! It reads those words of JSON Schema that the document uses, and refuses to pass over another.

use crate::world::World;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::LazyLock};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../openapi/ha-v1.json");
    serde_json::from_str(text).expect("the document is JSON")
});

/// Whether the document says that this may be answered to that.
pub(crate) fn check(method: &Method, path: &str, status: StatusCode, body: &str) {
    // A page for a browser, or nothing at all.
    let Ok(body) = serde_json::from_str::<Value>(body) else { return };
    let Some((template, operations)) = of_path(path) else {
        // `/ha/v1/` itself is not ours: the list of versions answers.
        let other = path == "/ha/v1/" && status == StatusCode::MULTIPLE_CHOICES;
        assert!(other || status == StatusCode::NOT_FOUND, "{path} is not in the document");
        return;
    };
    let Some(operation) = operations.get(method.as_str().to_lowercase()) else {
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {template} is not documented");
        return;
    };
    let answer = &operation["responses"][status.as_str()];
    assert!(!answer.is_null(), "{method} {template} is not said to answer {status}: {body}");
    let schema = &resolved(answer)["content"]["application/json"]["schema"];
    if let Err(why) = fits(schema, &body) {
        panic!("{method} {template}, {status}: {why} in {body}");
    }
}

fn of_path(path: &str) -> Option<(&'static String, &'static Value)> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (mine, theirs) = (template.split('/'), path.split('/'));
        mine.clone().count() == theirs.clone().count()
            && mine.zip(theirs).all(|(mine, theirs)| {
                mine == theirs || (mine.starts_with('{') && !theirs.is_empty())
            })
    };
    DOCUMENT["paths"].as_object()?.iter().find(|(template, _)| fits(template))
}

fn resolved(value: &'static Value) -> &'static Value {
    let Some(place) = value["$ref"].as_str() else { return value };
    let found = DOCUMENT.pointer(place.trim_start_matches('#'));
    found.unwrap_or_else(|| panic!("nothing is at {place}"))
}

fn fits(schema: &'static Value, value: &Value) -> Result<(), String> {
    let schema = resolved(schema);
    let known = &schema["properties"];
    for (word, says) in schema.as_object().ok_or("a schema is no object")? {
        match word.as_str() {
            "type" => is_of_type(says, value)?,
            "enum" if !says.as_array().is_some_and(|all| all.contains(value)) => {
                return Err(format!("{value} is none of {says}"));
            }
            "required" => {
                for name in says.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        return Err(format!("there is no '{name}'"));
                    }
                }
            }
            "properties" | "additionalProperties" => {}
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(says, item)?;
                }
            }
            "enum" | "description" | "format" | "minProperties" | "maxProperties" => {}
            word => panic!("the word {word} is not read here"),
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let says = known.get(name).or_else(|| schema.get("additionalProperties"));
        if let Some(says) = says {
            fits(says, member).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(())
}

fn is_of_type(says: &Value, value: &Value) -> Result<(), String> {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let may = says == is || says.as_array().is_some_and(|all| all.contains(&json!(is)));
    if may { Ok(()) } else { Err(format!("{value} is {is} and not {says}")) }
}

/// Each operation: its method, its path with something in the gaps, and itself.
fn operations() -> Vec<(String, String, &'static Value)> {
    let mut all = Vec::new();
    for (template, operations) in DOCUMENT["paths"].as_object().unwrap() {
        let path = template.replace("{host}", "compute01").replace("{id}", "1");
        for (method, operation) in operations.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_path_takes_the_methods_that_it_is_said_to_take() {
    let world = World::new();
    let mut said: BTreeSet<(String, String)> = BTreeSet::new();
    let mut taken = said.clone();
    for (method, path, _) in operations() {
        let answer = world.ask("PROPFIND", &path, None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers["allow"].to_str().unwrap().to_owned();
        let allowed = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD");
        taken.extend(allowed.map(|method| (path.clone(), method.to_owned())));
        said.insert((path, method));
    }
    assert_eq!(said, taken);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_the_document_itself_is_told_to_who_has_no_token() {
    let world = World::new();
    for (method, path, operation) in operations() {
        let request = Request::builder().method(method.as_str()).uri(&path);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        let open = operation["security"] == json!([]);
        assert_eq!(open, path == "/ha/v1/openapi.json");
        let expected = if open { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, expected, "{method} {path}");
    }
}

#[test]
fn every_operation_names_its_policy_rule_and_every_rule_has_one() {
    let named = operations().into_iter().filter_map(|(_, _, o)| o["x-policy-rule"].as_str());
    let named: BTreeSet<&str> = named.collect();
    let rules = api::RULES.iter().map(|rule| rule.name);
    let rules: BTreeSet<&str> = rules.filter(|name| name.starts_with("ha:")).collect();
    assert_eq!(named, rules);
}
