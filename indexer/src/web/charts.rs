//! Charts, drawn as SVG. They have no colours of their own: three marks stand for them, which the style sheet replaces, so that one
//! drawing is right on light and dark grounds.

use {
    super::text,
    maud::{Markup, PreEscaped, html},
    plotters::{prelude::*, style::RGBColor},
    quern_api::{Bucket, Series, SeriesPage},
    std::collections::BTreeMap,
};

/// How large a drawing is.
#[derive(Clone, Copy)]
struct Size {
    class: &'static str,
    width: u32,
    height: u32,
    /// Labels below the axis.
    labels: usize,
}

/// Text beside the axes. The style sheet knows these three by their values.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Lines behind the bars.
const GRID: RGBColor = RGBColor(2, 2, 2);
/// Bars.
const BAR: RGBColor = RGBColor(3, 3, 3);
/// For wide and for narrow screens; of the two, the style sheet shows one.
const SIZES: [Size; 2] = [
    Size {
        class: "wide",
        width: 1_000,
        height: 230,
        labels: 10,
    },
    Size {
        class: "narrow",
        width: 380,
        height: 200,
        labels: 4,
    },
];
/// Bars of a chart: more would be thinner than a screen shows.
const MOST_BARS: usize = 200;
/// Share of its place that a bar fills.
const BAR_SHARE: f64 = 0.72;
/// Room above the highest bar.
const HEADROOM: f64 = 1.08;

/// A series over time as bars, with the same numbers as a table for those who cannot see it.
pub(super) fn bars(title: &str, page: &SeriesPage, series: &Series) -> Markup {
    let points = filled(page, series);
    let drawings = SIZES.map(|size| {
        (
            size.class,
            drawing(&points, page.bucket, series.decimals, size),
        )
    });
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
                        @for point in &series.points {
                            tr {
                                th scope="row" { (label(point.at, page.bucket)) }
                                td .right { (text::tokens(point.value, series.decimals).exact) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every part of the time, those of which the series says nothing included.
fn filled(page: &SeriesPage, series: &Series) -> Vec<(i64, u128)> {
    let known: BTreeMap<i64, u128> = series
        .points
        .iter()
        .map(|point| (point.at, point.value))
        .collect();
    let step = usize::try_from(page.bucket.secs()).unwrap_or(1);
    (page.from..=page.to)
        .step_by(step)
        .take(MOST_BARS)
        .map(|at| (at, known.get(&at).copied().unwrap_or(0)))
        .collect()
}

/// When a bar begins.
fn label(at: i64, bucket: Bucket) -> String {
    match bucket {
        Bucket::Hour => text::moment(at).map(|(shown, _)| shown),
        Bucket::Day => text::date(at),
    }
    .unwrap_or_default()
}

/// The same below the axis, without what all bars share.
fn short_label(at: i64, bucket: Bucket) -> String {
    match bucket {
        Bucket::Hour => format!("{:02}:00", at.div_euclid(3_600).rem_euclid(24)),
        Bucket::Day => {
            let date = text::date(at).unwrap_or_default();
            date.rsplit_once(' ')
                .map_or_else(String::new, |(day, _)| day.to_owned())
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing shows three digits at most"
)]
fn drawing(
    points: &[(i64, u128)],
    bucket: Bucket,
    decimals: Option<u8>,
    size: Size,
) -> Result<String, String> {
    let unit = 10f64.powi(decimals.unwrap_or(0).into());
    let values: Vec<f64> = points
        .iter()
        .map(|(_, value)| *value as f64 / unit)
        .collect();
    let highest = values.iter().copied().fold(0.0, f64::max);
    let top = if highest > 0.0 {
        highest * HEADROOM
    } else {
        1.0
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (size.width, size.height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(8)
            .margin_right(6)
            .x_label_area_size(26)
            .y_label_area_size(58)
            .build_cartesian_2d(0f64..points.len() as f64, 0f64..top)
            .map_err(|error| error.to_string())?;
        // A label belongs to the bar that begins there.
        let time = |x: &f64| {
            let point = points.get(*x as usize);
            point.map_or_else(String::new, |(at, _)| short_label(*at, bucket))
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(size.labels)
            .y_labels(5)
            .x_label_formatter(&time)
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
