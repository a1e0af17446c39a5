use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

/// What is told of a change between two schemas.
fn told(old: &Value, new: &Value, mode: Compatibility) -> Vec<String> {
    breaking_changes(old, new, mode).iter().map(ToString::to_string).collect()
}

fn backward(old: &Value, new: &Value) -> Vec<String> {
    told(old, new, Compatibility::Backward)
}

#[expect(clippy::needless_pass_by_value, reason = "most are made for it")]
fn object(fields: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": fields, "required": required })
}

#[test]
fn fields_come_and_go() {
    let one = object(json!({ "a": { "type": "string" } }), &["a"]);
    let two = object(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), &["a", "b"]);
    let optional = object(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), &["a"]);
    assert_eq!(backward(&one, &two), ["b: a required field is new; older documents lack it"]);
    assert_eq!(backward(&two, &one), [""; 0], "an unknown field is passed over");
    assert_eq!(told(&two, &one, Compatibility::Forward), ["b: the field is gone; older readers require it"]);
    assert_eq!(backward(&optional, &two), ["b: the field is required now; older documents may lack it"]);
    assert_eq!(
        told(&two, &optional, Compatibility::Full),
        ["b: the field may be left out now; older readers require it"]
    );
    assert_eq!(told(&one, &optional, Compatibility::Full), [""; 0]);
    let mut closed = one.clone();
    closed["additionalProperties"] = json!(false);
    assert_eq!(backward(&two, &closed), ["b: the field is gone, and unknown fields are refused"]);
    assert_eq!(
        told(&closed, &optional, Compatibility::Forward),
        ["b: the field is new, and older readers refuse unknown fields"]
    );
}

#[test]
fn types_widen_and_narrow() {
    let of = |schema: Value| object(json!({ "a": schema }), &["a"]);
    let integer = of(json!({ "type": "integer", "format": "int32" }));
    let wide = of(json!({ "type": "integer", "format": "int64" }));
    let number = of(json!({ "type": "number", "format": "double" }));
    let unsigned = of(json!({ "type": "integer", "format": "uint32", "minimum": 0 }));
    let text = of(json!({ "type": "string" }));
    let nullable = of(json!({ "type": ["string", "null"] }));
    assert_eq!(backward(&integer, &wide), [""; 0]);
    assert_eq!(backward(&unsigned, &wide), [""; 0]);
    assert_eq!(backward(&integer, &number), [""; 0]);
    let range = "a: the range went from -9223372036854775808 to 9223372036854775807 to -2147483648 to 2147483647; \
                 older documents may not fit";
    assert_eq!(backward(&wide, &integer), [range]);
    assert_eq!(backward(&number, &integer), ["a: the type went from number to integer; older documents may not fit"]);
    assert_eq!(backward(&integer, &unsigned).len(), 1);
    assert_eq!(backward(&text, &nullable), [""; 0]);
    assert_eq!(backward(&nullable, &text), ["a: the type went from null to string; older documents may not fit"]);
    assert_eq!(
        told(&text, &nullable, Compatibility::Forward),
        ["a: the type went from string to null; newer documents may not fit older readers"]
    );
    let id = of(json!({ "type": "string", "format": "uuid" }));
    assert_eq!(backward(&id, &text), [""; 0]);
    assert_eq!(backward(&text, &id), ["a: format went from none to uuid; older documents may not fit"]);
}

#[test]
fn what_cannot_be_judged_is_breaking_unless_it_is_the_same() {
    let plain = json!({ "type": "string" });
    let except = json!({ "type": "string", "not": { "const": "no" } });
    assert_eq!(backward(&plain, &except), ["`not` differs, and what that means for documents cannot be told"]);
    assert_eq!(backward(&except, &except), [""; 0]);
    assert_eq!(backward(&except, &plain), [""; 0]);
    let lost = json!({ "$ref": "https://example.com/elsewhere.json" });
    assert!(!backward(&plain, &lost).is_empty() && !backward(&lost, &plain).is_empty());
    assert_eq!(backward(&plain, &json!(false)), ["nothing is read here any more"]);
}

#[test]
fn a_type_that_has_itself_in_it_comes_to_an_end() {
    let tree = |leaf: &str| {
        json!({ "$ref": "#/$defs/T", "$defs": { "T": object(json!({
            "leaf": { "type": leaf }, "kids": { "type": "array", "items": { "$ref": "#/$defs/T" } }
        }), &["leaf"]) } })
    };
    assert_eq!(backward(&tree("integer"), &tree("number")), [""; 0]);
    assert_eq!(
        backward(&tree("integer"), &tree("string")),
        ["kids[].leaf", "leaf"]
            .map(|at| format!("{at}: the type went from integer to string; older documents may not fit"))
    );
    let endless = json!({ "$ref": "#" });
    assert_eq!(backward(&endless, &json!(true)), [""; 0]);
    assert!(!backward(&json!({ "type": "string" }), &endless).is_empty());
}

/// Types as people change them; what is called compatible is read by serde.
mod types {
    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) enum Size {
        Small,
        Large,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) enum MoreSizes {
        Small,
        Large,
        /// New.
        Huge,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "by", rename_all = "lowercase")]
    pub(super) enum Payment {
        Card { last_four: String },
        Cash,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "by", rename_all = "lowercase")]
    pub(super) enum MorePayments {
        Card {
            last_four: String,
            #[serde(default)]
            country: Option<String>,
        },
        Cash,
        Voucher {
            code: String,
        },
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Inner {
        pub(super) sku: String,
        pub(super) quantity: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Wider {
        sku: Option<String>,
        quantity: i64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Flat {
        id: u32,
        #[serde(flatten)]
        inner: Inner,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Strict {
        sku: String,
    }

    pub(super) fn inner() -> Inner {
        Inner { sku: "lamp".into(), quantity: 200 }
    }

    pub(super) fn flat() -> Flat {
        Flat { id: 1, inner: inner() }
    }
}

/// What is told of reading documents of `Old` as `New`; and that serde agrees about these documents.
#[track_caller]
fn between<Old, New>(documents: &[Old]) -> Vec<String>
where
    Old: Serialize + JsonSchema,
    New: for<'de> Deserialize<'de> + JsonSchema,
{
    let told = backward(schema_for!(Old).as_value(), schema_for!(New).as_value());
    let is_read = documents.iter().all(|document| {
        let text = serde_json::to_string(document).unwrap();
        serde_json::from_str::<New>(&text).is_ok()
    });
    assert_eq!(is_read, told.is_empty(), "{told:?}");
    told
}

#[test]
fn serde_reads_what_is_called_compatible() {
    use types::{Flat, Inner, MorePayments, MoreSizes, Payment, Size, Strict, Wider, flat, inner};

    between::<Size, MoreSizes>(&[Size::Small, Size::Large]);
    let gone = between::<MoreSizes, Size>(&[MoreSizes::Huge]);
    assert_eq!(gone, ["the value \"Huge\" is gone; older documents may have it"]);

    let (card, cash) = (Payment::Card { last_four: "4242".into() }, Payment::Cash);
    between::<Payment, MorePayments>(&[card, cash]);
    let gone = between::<MorePayments, Payment>(&[MorePayments::Voucher { code: "X".into() }]);
    assert_eq!(gone, ["the value \"voucher\" is gone; older documents may have it"]);

    between::<Inner, Wider>(&[inner()]);
    between::<Flat, Inner>(&[flat()]);
    assert_eq!(between::<Inner, Flat>(&[inner()]), ["id: a required field is new; older documents lack it"]);
    assert_eq!(between::<Inner, Strict>(&[inner()]), ["quantity: the field is gone, and unknown fields are refused"]);
    between::<Vec<Inner>, Vec<Wider>>(&[vec![inner()]]);
    between::<BTreeMap<String, Inner>, BTreeMap<String, Wider>>(&[BTreeMap::from([("a".into(), inner())])]);
    between::<(u8, String), (u16, Option<String>)>(&[(200, "a".into())]);
    assert_eq!(between::<u16, u8>(&[300]).len(), 1);
    assert_eq!(between::<(u8, String), (u8, u8)>(&[(1, "a".into())]).len(), 1);
    assert_eq!(between::<Vec<u8>, [u8; 2]>(&[vec![1, 2, 3]]).len(), 2, "at least two, at most two");
    between::<Inner, Option<Inner>>(&[inner()]);
    assert_eq!(between::<Option<u8>, u8>(&[None]).len(), 1);
    between::<Inner, Value>(&[inner()]);
    assert!(!between::<Value, Inner>(&[json!(7)]).is_empty());
}
