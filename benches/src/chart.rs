//! The results as a picture, for docs/performance.md: of each workload, how fast everybody is beside what it is compared with.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    report::{Figures, Report},
    workload::Workload,
};

const WIDTH: f64 = 760.0;
/// Where the bars begin.
const LEFT: f64 = 190.0;
/// What a ratio of 1 is wide.
const WHOLE: f64 = 380.0;
const BAR: f64 = 15.0;
const ROW: f64 = 19.0;
const TITLE: f64 = 30.0;

/// Readable on a light page and on a dark one.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #57606a } .title { font-weight: 600 } \
    .daybook { fill: #1f883d } .reference { fill: #8c959f } .other { fill: #54aeff } \
    line { stroke: #8c959f; stroke-dasharray: 2 3 } \
    @media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }";

/// Draws the figures of the fewest connections above one.
///
/// # Errors
/// When there are no figures, or the file cannot be written.
pub fn draw(report: &Report, file: &Path) -> Result<()> {
    let Some(connections) = drawn_connections(report) else {
        bail!("there is nothing to draw");
    };
    let mut body = String::new();
    let mut top = 10.0;
    let drawn = report
        .figures
        .iter()
        .filter(|figures| figures.connections == connections);
    for figures in drawn {
        // What the others are compared with comes first.
        if figures.ratio.is_none() {
            top += TITLE;
            let what = Workload::ALL
                .into_iter()
                .find(|workload| figures.workload.starts_with(workload.name()));
            write!(
                body,
                r#"<text class="title" x="10" y="{}">{}: {}</text>"#,
                top - 9.0,
                figures.workload,
                escape(what.map_or("", Workload::what)),
            )?;
        }
        bar(&mut body, figures, top)?;
        top += ROW;
    }
    let one = LEFT + WHOLE;
    let height = top + 28.0;
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="What an operation costs"><style>{STYLE}</style><line x1="{one}" x2="{one}" y1="10" y2="{top}"/>{body}<text x="10" y="{}">Operations a second as a share of the grey bar's, at {connections} connections. Longer is faster.</text></svg>"#,
        height - 10.0,
    );
    fs::write(file, svg + "\n").with_context(|| file.display().to_string())
}

fn drawn_connections(report: &Report) -> Option<usize> {
    let all = || report.figures.iter().map(|figures| figures.connections);
    all()
        .filter(|connections| *connections > 1)
        .min()
        .or(all().min())
}

fn bar(body: &mut String, figures: &Figures, top: f64) -> Result<()> {
    let ratio = figures.ratio.unwrap_or(1.0);
    let class = match (figures.ratio, figures.subject.as_str()) {
        (None, _) => "reference",
        (_, "daybook") => "daybook",
        _ => "other",
    };
    let middle = top + BAR - 3.5;
    let width = ratio.min(1.2) * WHOLE;
    write!(
        body,
        r#"<text x="{}" y="{middle}" text-anchor="end">{}</text><rect class="{class}" x="{LEFT}" y="{top}" width="{width:.1}" height="{BAR}" rx="2"/><text x="{:.1}" y="{middle}">{ratio:.2} ({:.0}/s)</text>"#,
        LEFT - 8.0,
        escape(&figures.subject),
        LEFT + width + 6.0,
        figures.rate,
    )?;
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('`', "")
}
