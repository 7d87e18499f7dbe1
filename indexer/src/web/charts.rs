//! Charts, drawn as SVG. They have no colours of their own: three marks stand for them, which the style sheet replaces, so that one
//! drawing is right on light and dark grounds.

use {
    super::text,
    maud::{Markup, PreEscaped, html},
    plotters::{prelude::*, style::RGBColor},
};

/// Text beside the axes. The style sheet knows these three by their values.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Lines behind the bars.
const GRID: RGBColor = RGBColor(2, 2, 2);
/// Bars.
const BAR: RGBColor = RGBColor(3, 3, 3);
/// Sizes for wide and for narrow screens; of the two, the style sheet shows one.
const SIZES: [(&str, u32, u32, usize); 2] = [("wide", 1_000, 230, 10), ("narrow", 380, 200, 4)];
/// Share of its place that a bar fills.
const BAR_SHARE: f64 = 0.72;
/// Room above the highest bar.
const HEADROOM: f64 = 1.08;

/// A bar: from when, and how high.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// The first second of its time.
    pub at: i64,
    /// How high; only the drawing goes through a floating number.
    pub value: u128,
}

/// Amounts over time as bars, with the same numbers as a table for those who cannot see it.
pub(super) fn bars(title: &str, points: &[Point], decimals: Option<u8>) -> Markup {
    let drawings = SIZES.map(|size| (size.0, drawing(points, decimals, size)));
    html! {
        figure .chart {
            figcaption { (title) }
            @for (class, drawing) in drawings {
                @match drawing {
                    Ok(svg) => div .{ (class) } aria-hidden="true" { (PreEscaped(svg)) },
                    Err(error) => p .empty { "The chart cannot be drawn: " (error) },
                }
            }
            details {
                summary { "The same as numbers" }
                table .plain {
                    caption .hidden { (title) }
                    thead { tr { th scope="col" { "From" } th scope="col" .right { "Amount" } } }
                    tbody {
                        @for point in points.iter().filter(|point| point.value > 0) {
                            tr {
                                th scope="row" { (text::date(point.at).unwrap_or_default()) }
                                td .right { (text::tokens(point.value, decimals).exact) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing shows three digits at most"
)]
fn drawing(
    points: &[Point],
    decimals: Option<u8>,
    (_, width, height, labels): (&str, u32, u32, usize),
) -> Result<String, String> {
    let unit = 10f64.powi(decimals.unwrap_or(0).into());
    let values: Vec<f64> = points
        .iter()
        .map(|point| point.value as f64 / unit)
        .collect();
    let highest = values.iter().copied().fold(0.0, f64::max);
    let top = if highest > 0.0 {
        highest * HEADROOM
    } else {
        1.0
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(8)
            .margin_right(6)
            .x_label_area_size(26)
            .y_label_area_size(58)
            .build_cartesian_2d(0f64..points.len() as f64, 0f64..top)
            .map_err(|error| error.to_string())?;
        let day = |x: &f64| {
            // A label belongs to the bar that begins there.
            let point = points.get(*x as usize);
            let date = point.and_then(|point| text::date(point.at));
            date.map_or_else(String::new, |date| {
                date.rsplit_once(' ')
                    .map_or(String::new(), |(day, _)| day.to_owned())
            })
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(labels)
            .y_labels(5)
            .x_label_formatter(&day)
            .y_label_formatter(&|y| tick(*y))
            .label_style(("sans-serif", 13, &INK))
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(|error| error.to_string())?;
        let bars = values.iter().enumerate().map(|(index, value)| {
            let middle = index as f64 + 0.5;
            let half = BAR_SHARE / 2.0;
            Rectangle::new(
                [(middle - half, 0.0), (middle + half, *value)],
                BAR.filled(),
            )
        });
        chart.draw_series(bars).map_err(|error| error.to_string())?;
        root.present().map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

/// A number beside an axis.
fn tick(value: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let unit = UNITS.iter().find(|(size, _)| value >= *size);
    match unit {
        Some((size, unit)) => format!("{} {unit}", trimmed(value / size)),
        None => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
