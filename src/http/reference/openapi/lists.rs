//! The one form of all lists.

use super::super::schema::{array, named, number_from, object, or_null, text, told};
use super::operation::Operation;

/// An operation that lists things under a name.
pub(super) fn list(operation: Operation, name: &'static str, thing: &str) -> Operation {
    let page = "With `page` or `pageSize`: the number of all.";
    let members = [
        (name, array(named(thing))),
        ("page_size", told(number_from(0), "How many a page or a step has.")),
        ("total_count", told(number_from(0), page)),
        ("count", told(number_from(0), "Of members alone: how many there are.")),
        ("next", told(or_null(text()), "With `cursor`: where the walk goes on; null at its end.")),
    ];
    operation
        .asked("page")
        .asked("pageSize")
        .asked("cursor")
        .data(object(&members, &["page_size", "total_count", "count", "next"]))
}

/// The same of a list whose pages come in any order.
pub(super) fn sorted_list(operation: Operation, name: &'static str, thing: &str) -> Operation {
    list(operation, name, thing).asked("sortBy").asked("orderBy")
}
