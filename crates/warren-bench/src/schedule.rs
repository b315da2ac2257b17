//! When each operation is due: decided before the run, and never moved by how the server does.

use super::num;
use super::scenario::Flow;

/// A part of a schedule in which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    /// When it begins, seconds.
    start: f64,
    /// How long it takes, seconds.
    length: f64,
    /// Operations a second at its beginning.
    from: f64,
    /// Operations a second at its end.
    to: f64,
    /// Operations that are due before it.
    before: f64,
}

impl Ramp {
    /// Operations that are due in it.
    fn operations(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.length
    }

    /// When the operation is due that has so many before it in this ramp, seconds after its beginning.
    fn due(&self, operations: f64) -> f64 {
        let slope = (self.to - self.from) / self.length;
        let root = slope.mul_add(2.0 * operations, self.from * self.from).max(0.0).sqrt();
        // The form of the root of a quadratic that does not lose its digits where the rate hardly changes.
        num::ratio(2.0 * operations, self.from + root).min(self.length)
    }
}

/// When operations are due.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// Its ramps, in their order.
    ramps: Vec<Ramp>,
}

impl Schedule {
    /// A flow's schedule: its first rate for so long, then its stages, or that rate to the end.
    pub(super) fn new(flow: &Flow, warmup: f64, duration: f64) -> Self {
        let rate = flow.rate.unwrap_or(0.0);
        let mut schedule = Self { ramps: Vec::new() };
        schedule.push(warmup, rate, rate);
        let mut from = rate;
        for stage in &flow.stages {
            schedule.push(stage.seconds, from, stage.rate);
            from = stage.rate;
        }
        if flow.stages.is_empty() {
            schedule.push(duration, rate, rate);
        }
        schedule
    }

    /// The same rate from a moment on, for so long; seconds.
    pub(super) fn steady(start: f64, length: f64, rate: f64) -> Self {
        let mut schedule = Self { ramps: Vec::new() };
        schedule.push(start, 0.0, 0.0);
        schedule.push(length, rate, rate);
        schedule
    }

    /// Appends a ramp.
    fn push(&mut self, length: f64, from: f64, to: f64) {
        if length > 0.0 {
            let (start, before) = self
                .ramps
                .last()
                .map_or((0.0, 0.0), |it| (it.start + it.length, it.before + it.operations()));
            self.ramps.push(Ramp { start, length, from, to, before });
        }
    }

    /// How many operations are due in all.
    pub(super) fn total(&self) -> u64 {
        num::whole(self.ramps.last().map_or(0.0, |it| it.before + it.operations()).ceil())
    }

    /// When an operation is due, microseconds after the start; none once there is no more of it.
    pub(super) fn due(&self, operation: u64) -> Option<u64> {
        let wanted = num::float(operation);
        let has_it = |ramp: &&Ramp| wanted < ramp.before + ramp.operations();
        let ramp = self.ramps.iter().find(has_it)?;
        Some(num::micros(ramp.start + ramp.due(wanted - ramp.before)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::{Kind, Payload, Stage};
    use super::*;

    /// A flow with these rates.
    fn flow(rate: Option<f64>, stages: &[(f64, f64)]) -> Flow {
        let stages = stages.iter().map(|(seconds, rate)| Stage { seconds: *seconds, rate: *rate });
        Flow {
            group: "g".to_owned(),
            kind: Kind::Http,
            publishers: 1,
            rate,
            stages: stages.collect(),
            window: None,
            payload: Payload::default(),
        }
    }

    /// All due times.
    fn all(schedule: &Schedule) -> Vec<u64> {
        (0..).map_while(|operation| schedule.due(operation)).collect()
    }

    #[test]
    fn a_steady_rate_is_evenly_spaced() {
        let due = all(&Schedule::new(&flow(Some(10.0), &[]), 0.5, 1.0));
        assert_eq!(due.len(), 15);
        assert_eq!((due[0], due[1], due[14]), (0, 100_000, 1_400_000));
        assert_eq!(Schedule::new(&flow(Some(10.0), &[]), 0.5, 1.0).total(), 15);
    }

    #[test]
    fn a_ramp_has_as_many_as_its_area() {
        let due = all(&Schedule::new(&flow(None, &[(10.0, 100.0)]), 0.0, 1.0));
        assert_eq!(due.len(), 500);
        assert!(due.windows(2).all(|two| two[0] <= two[1]));
        // Half of the time has a quarter of them.
        assert_eq!(due.iter().filter(|due| **due < 5_000_000).count(), 125);
        assert!(due[499] < 10_000_000);
    }

    #[test]
    fn stages_follow_one_another() {
        let stages = [(1.0, 100.0), (2.0, 100.0), (1.0, 0.0)];
        let due = all(&Schedule::new(&flow(Some(0.0), &stages), 3.0, 1.0));
        assert_eq!(due.len(), 300);
        assert!(due[0] >= 3_000_000);
        let steady = due.iter().filter(|due| (4_000_000..6_000_000).contains(*due)).count();
        assert!((199..=201).contains(&steady), "{steady}");
        assert!(due.windows(2).all(|two| two[0] <= two[1]));
        assert!(due[299] <= 7_000_000);
    }

    #[test]
    fn a_rate_of_nothing_has_nothing() {
        assert_eq!(Schedule::new(&flow(Some(0.0), &[]), 1.0, 1.0).due(0), None);
        assert_eq!(Schedule::steady(2.0, 1.0, 3.0).due(0), Some(2_000_000));
        assert_eq!(Schedule::steady(2.0, 1.0, 3.0).due(3), None);
    }

    #[test]
    fn a_late_server_moves_nothing() {
        // The schedule has no state: asking late, or twice, gives the same answer.
        let schedule = Schedule::new(&flow(Some(1000.0), &[]), 0.0, 1.0);
        assert_eq!(schedule.due(999), schedule.due(999));
        assert_eq!(schedule.due(500), Some(500_000));
    }
}
