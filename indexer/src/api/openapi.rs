//! `/openapi.json`, made from the routes and the types of `quern_api`, and the way to the page about it.

use {
    super::{all_pages, json::Json},
    quern_api::{BoardsRequest, Problem, Ranked, problem::MEDIA_TYPE},
    std::sync::LazyLock,
    utoipa::{
        PartialSchema, ToSchema,
        openapi::{
            ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr,
            ResponseBuilder,
            path::{Operation, PathItem},
            schema::Type,
        },
    },
};

/// Where the document is.
pub const PATH: &str = "/openapi.json";

/// What may go wrong with any request, and what that means.
pub(super) const PROBLEMS: [(&str, &str); 7] = [
    (
        "400",
        "A parameter is unknown here, given twice or out of its limits, an address is none, or a cursor belongs to another list",
    ),
    (
        "404",
        "There is no such page or thing among what is finalized",
    ),
    ("405", "Another method than GET"),
    ("414", "Path and query are too long"),
    (
        "429",
        "The client asks more than its share; `retry-after` says when to go on",
    ),
    (
        "500",
        "The store could not be read; the indexer's log says why",
    ),
    ("503", "Too busy, too slow or not ready; try again"),
];

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(made);

/// The whole document.
pub fn document() -> &'static OpenApi {
    &DOCUMENT
}

fn made() -> OpenApi {
    let mut document = all_pages().into_openapi();
    document.info = InfoBuilder::new()
        .title("Quern indexer")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "What finalized events of the program say. Amounts and counters that may exceed 2^53 are texts of decimal digits, \
             addresses and signatures base58, hashes hexadecimal, times seconds since 1970. Fields may be added.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    for item in document.paths.paths.values_mut() {
        if let Some(operation) = read_mut(item) {
            add_problems(operation);
        }
    }
    for (path, ranked) in [
        (BoardsRequest::PATH, Ranked::Providers),
        (BoardsRequest::MODELS, Ranked::Models),
        (BoardsRequest::CLIENTS, Ranked::Clients),
    ] {
        if let Some(operation) = document.paths.paths.get_mut(path).and_then(read_mut) {
            name_metrics(operation, ranked);
        }
    }
    let components = document.components.get_or_insert_default();
    let name = Problem::name().into_owned();
    components.schemas.insert(name, Problem::schema());
    document
}

fn read_mut(item: &mut PathItem) -> Option<&mut Operation> {
    item.get.as_mut()
}

/// Each board has metrics of its own and refuses the others.
fn name_metrics(operation: &mut Operation, ranked: Ranked) {
    let words = ranked.metrics().iter().map(|metric| metric.word());
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .build();
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "metric"
        {
            parameter.schema = Some(schema.clone().into());
        }
    }
}

/// Every page may refuse a request in the same ways.
fn add_problems(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, about) in PROBLEMS {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .build();
        let response = ResponseBuilder::new()
            .description(about)
            .content(MEDIA_TYPE, content)
            .build();
        responses
            .entry(status.to_owned())
            .or_insert(RefOr::T(response));
    }
    let same = ResponseBuilder::new()
        .description("The client named this version in `if-none-match`: nothing changed")
        .build();
    responses.entry("304".to_owned()).or_insert(RefOr::T(same));
}

/// The document.
pub(super) async fn openapi() -> Json<&'static OpenApi> {
    Json(document())
}
