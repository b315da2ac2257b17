//! Line charts as inline SVG, coloured by the page's variables.

use super::num::{self, ratio};
use std::fmt::Write as _;

/// The drawing's width and height.
const SIZE: (f64, f64) = (760.0, 240.0);
/// Room for labels: left, top, right, bottom.
const EDGE: (f64, f64, f64, f64) = (64.0, 12.0, 12.0, 34.0);

/// One line of a chart.
pub(super) struct Line {
    /// What it shows.
    pub(super) name: &'static str,
    /// Its points.
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart.
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: &'static str,
    /// What lies below: each place and its label; empty for round numbers.
    pub(super) ticks: Vec<(f64, String)>,
    /// The unit of what lies below.
    pub(super) below: &'static str,
    /// Parts that are not measured.
    pub(super) shades: Vec<Shade>,
    /// Its lines.
    pub(super) lines: Vec<Line>,
}

/// A part of a chart that is not measured.
#[derive(Clone, Debug)]
pub(super) struct Shade {
    /// What it is.
    pub(super) name: &'static str,
    /// Where it begins.
    pub(super) from: f64,
    /// Where it ends.
    pub(super) to: f64,
}

impl Shade {
    /// Draws it between two places.
    fn draw(&self, from: f64, to: f64) -> String {
        let (high, (_, top, _, bottom)) = (SIZE.1, EDGE);
        format!(
            "<rect class=\"shade\" x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            to - from,
            high - top - bottom,
            from + 4.0,
            top + 12.0,
            self.name
        )
    }
}

/// A number as a label: short, and exact enough.
fn label(value: f64) -> String {
    match value {
        it if it >= 1e9 => format!("{:.1} G", it / 1e9),
        it if it >= 1e6 => format!("{:.1} M", it / 1e6),
        it if it >= 1e4 => format!("{:.0} k", it / 1e3),
        it if it >= 100.0 => format!("{it:.0}"),
        it if it >= 1.0 => format!("{it:.1}"),
        it if it > 0.0 => format!("{it:.3}"),
        _ => "0".to_owned(),
    }
}

/// The next round number from a value on.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.iter().map(|step| step * decade).find(|it| *it >= value * 0.999).unwrap_or(value)
}

impl Chart {
    /// The largest of the lines' numbers.
    fn most(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        self.lines.iter().flat_map(|line| &line.points).map(of).fold(0.0, f64::max)
    }

    /// Draws it; nothing where there is nothing to draw.
    pub(super) fn draw(&self) -> String {
        let ((width, height), (left, top, right, bottom)) = (SIZE, EDGE);
        let last = self.ticks.iter().map(|(at, _)| *at).fold(self.most(|it| it.0), f64::max);
        let high = round_up(self.most(|it| it.1));
        if self.lines.iter().all(|line| line.points.len() < 2) || last <= 0.0 {
            return String::new();
        }
        let x = |value: f64| (width - left - right).mul_add(ratio(value, last), left);
        let y = |value: f64| (height - top - bottom).mul_add(1.0 - ratio(value, high), top);
        let mut out = format!(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            self.title, self.title
        );
        // Writing to a string does not fail.
        for shade in self.shades.iter().filter(|shade| shade.from < last) {
            let (from, to) = (x(shade.from), x(shade.to.min(last)));
            out.push_str(&shade.draw(from, to));
        }
        for step in 0..=4_u32 {
            let value = high * f64::from(step) / 4.0;
            let at = y(value);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                width - right,
                left - 6.0,
                at + 4.0,
                label(value)
            );
        }
        let ticks = if self.ticks.is_empty() { even(last) } else { self.ticks.clone() };
        for (at, text) in &ticks {
            let (at, base) = (x(*at), height - bottom + 16.0);
            let _ = write!(
                out,
                "<text x=\"{at:.1}\" y=\"{base:.1}\" text-anchor=\"middle\">{text}</text>"
            );
        }
        let middle = f64::midpoint(left, width);
        let base = height - 3.0;
        let _ = write!(
            out,
            "<text x=\"{middle}\" y=\"{base}\" text-anchor=\"middle\">{}</text>",
            self.below
        );
        for (number, line) in self.lines.iter().enumerate() {
            let _ = write!(out, "<polyline class=\"line{number}\" points=\"");
            for (at, value) in &line.points {
                let _ = write!(out, "{:.1},{:.1} ", x(*at), y(*value));
            }
            out.push_str("\"/>");
        }
        out.push_str("</svg><p class=\"legend\">");
        for (number, line) in self.lines.iter().enumerate() {
            let _ = write!(out, "<span class=\"key{number}\">{}</span> ", line.name);
        }
        out.push_str("</p></figure>");
        out
    }
}

/// Labels at even places.
fn even(last: f64) -> Vec<(f64, String)> {
    let step = round_up(last / 8.0).max(1.0);
    let count = num::whole(last / step);
    (0..=count).map(|number| step * num::float(number)).map(|at| (at, format!("{at:.0}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_its_lines_and_labels() {
        let lines = vec![
            Line { name: "one", points: vec![(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)] },
            Line { name: "two", points: vec![(0.0, 0.0), (2.0, 0.5)] },
        ];
        let warmup = Shade { name: "warm-up", from: 0.0, to: 0.5 };
        let shades = vec![warmup, Shade { name: "afterwards", from: 2.5, to: 9.0 }];
        let chart = Chart { title: "t", ticks: Vec::new(), below: "s", shades, lines };
        let svg = chart.draw();
        assert_eq!(svg.matches("<rect").count(), 1, "what is not drawn is not shaded");
        assert!(svg.contains(">warm-up<") && svg.contains("width=\"171.0\""), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">one<") && svg.contains(">5.0<") && !svg.contains("NaN"));
    }

    #[test]
    fn nothing_is_not_drawn() {
        let lines = vec![Line { name: "one", points: vec![(0.0, 1.0)] }];
        let shades = Vec::new();
        assert_eq!(Chart { title: "t", ticks: Vec::new(), below: "s", shades, lines }.draw(), "");
    }

    #[test]
    fn numbers_are_short() {
        let short = [0.0, 0.25, 7.0, 250.0, 12_000.0, 3e6, 2e9].map(label);
        assert_eq!(short, ["0", "0.250", "7.0", "250", "12 k", "3.0 M", "2.0 G"]);
        assert!((round_up(3.1) - 5.0).abs() < 1e-9 && (round_up(100.0) - 100.0).abs() < 1e-9);
    }
}
