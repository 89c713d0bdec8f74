//! The curves, as SVG: REGISTERs at the PBX, phones in a call, phones that the PBX does not know, and the state, over time.

use crate::world::Plan;
use crate::world::log::Sample;
use crate::world::outcome::Outcome;
use sip_survivability::mode::State;
use sip_survivability::time::Instant;
use std::fmt::Write;

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 70.0;
const PANEL: f64 = 200.0;
const GAP: f64 = 60.0;

/// Where time and value lie in a panel.
struct Panel {
    top: f64,
    most: f64,
    end: f64,
}

impl Panel {
    fn x(&self, at: Instant) -> f64 {
        LEFT + at.as_micros() as f64 / self.end * WIDTH
    }

    fn y(&self, value: f64) -> f64 {
        self.top + PANEL * (1.0 - value / self.most)
    }

    fn curve(&self, points: impl Iterator<Item = (Instant, f64)>, colour: &str) -> String {
        let mut path = String::new();
        for (at, value) in points {
            let _ = write!(path, "{:.1},{:.1} ", self.x(at), self.y(value));
        }
        format!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n")
    }

    fn frame(&self, title: &str) -> String {
        let (left, right, bottom) = (LEFT, LEFT + WIDTH, self.top + PANEL);
        let mut text = format!("<text x=\"{left}\" y=\"{}\" class=\"t\">{title}</text>\n", self.top - 8.0);
        for part in 0..=4 {
            let value = self.most * f64::from(part) / 4.0;
            let y = self.y(value);
            let _ = writeln!(
                text,
                "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" class=\"g\"/>\
                 <text x=\"{}\" y=\"{:.1}\" class=\"l\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                y + 4.0,
                number(value)
            );
        }
        for part in 0..=8 {
            let share = f64::from(part) / 8.0;
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{:.1}\" class=\"l\" text-anchor=\"middle\">{} h</text>",
                LEFT + share * WIDTH,
                bottom + 18.0,
                number(self.end / 3.6e9 * share)
            );
        }
        text
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// The next value above that looks well on an axis.
fn rounded(value: f64) -> f64 {
    let magnitude = 10_f64.powf(value.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].map(|step| step * magnitude);
    steps.into_iter().find(|step| *step >= value).unwrap_or(value)
}

/// The spans in which the state was emergency, as bars behind a panel.
fn emergencies(panel: &Panel, outcome: &Outcome) -> String {
    let mut bars = String::new();
    let states = &outcome.log.states;
    for (index, (from, _)) in states.iter().enumerate().filter(|(_, (_, state))| *state == State::Emergency) {
        let to = states.get(index + 1).map_or(outcome.ended, |(at, _)| *at);
        let (x, width) = (panel.x(*from), (panel.x(to) - panel.x(*from)).max(1.0));
        let top = panel.top;
        let _ = writeln!(
            bars,
            "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{PANEL}\" class=\"e\"/>",
        );
    }
    bars
}

pub fn draw(plan: &Plan, outcome: &Outcome) -> String {
    let samples = &outcome.log.samples;
    let end = plan.span.as_micros() as f64;
    let width = samples.first().map_or(1.0, |first| first.at.as_micros() as f64 / 1e6);
    let rate = |sample: &Sample| f64::from(sample.registers) / width;
    let most = |value: &dyn Fn(&Sample) -> f64| rounded(samples.iter().map(value).fold(1.0, f64::max));
    let calls = |sample: &Sample| f64::from(sample.calls_up);
    let limit = f64::from(outcome.return_rate_limit);
    let first = Panel { top: 60.0, most: most(&rate).max(rounded(limit)), end };
    let second = Panel { top: first.top + PANEL + GAP, most: most(&calls), end };
    let away = |sample: &Sample| f64::from(sample.away);
    let third = Panel { top: second.top + PANEL + GAP, most: most(&away), end };
    let (total_width, total_height) = (LEFT + WIDTH + 30.0, third.top + PANEL + 40.0);
    let title = format!(
        "{}: {} phones, {} % loss, seed {}; shaded: emergency state",
        plan.scenario.name(),
        plan.phones,
        plan.loss * 100.0,
        plan.seed
    );
    let limits = [(Instant::ZERO, limit), (outcome.ended, limit)].into_iter();
    [
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total_width} {total_height}\" \
             font-family=\"sans-serif\">\n<style>.t{{font-size:14px}}.l{{font-size:11px;fill:#555}}\
             .g{{stroke:#ddd}}.e{{fill:#f4c7c3}}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>\n"
        ),
        emergencies(&first, outcome),
        first.frame("REGISTERs a second at the PBX; dashed: the limit of a return"),
        first.curve(limits, "#b00\" stroke-dasharray=\"6 4"),
        first.curve(samples.iter().map(|sample| (sample.at, rate(sample))), "#1565c0"),
        emergencies(&second, outcome),
        second.frame("phones in a call"),
        second.curve(samples.iter().map(|sample| (sample.at, calls(sample))), "#2e7d32"),
        emergencies(&third, outcome),
        third.frame("phones that the PBX has no registration of"),
        third.curve(samples.iter().map(|sample| (sample.at, away(sample))), "#6a1b9a"),
        "</svg>\n".to_owned(),
    ]
    .concat()
}
