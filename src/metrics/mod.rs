//! What the process counts about itself, and how `/metrics` shows it (`docs/OPERATING.md`, Metrics).
//!
//! Whoever counts adds to cells of its own thread ([`count`], [`here`]): no lock, no cache line that others write, and
//! nothing is looked up by name. Whoever shows adds up the cells of all threads. The numbers are those of the process: two
//! servers that one program embeds share them.

mod cells;
mod exposition;
mod labelled;
mod process;
mod threads;

pub use cells::{CountCell, Histogram, Measure};
pub use exposition::{CONTENT_TYPE, Gauge, exposition};
pub use labelled::{Family, Label, LabelledCells};
pub use threads::{CountedLife, Tallies, ThreadCells, count, here};

/// Counts something under these labels.
pub fn add<const N: usize>(family: Family, labels: [Label; N]) {
    count(|cells| cells.labelled().add(family, labels));
}
