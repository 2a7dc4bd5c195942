//! The loss curve as a picture.

use std::path::Path;

use plotters::prelude::*;

use super::Outcome;

/// Draws the losses of all steps, the held-out losses, and a line to beat.
pub fn losses(path: &Path, losses: &[f32], held_out: &[(usize, f32)], (name, baseline): (&str, f64)) -> Outcome {
    let area = SVGBackend::new(path, (800, 450)).into_drawing_area();
    area.fill(&WHITE)?;
    let level = baseline as f32;
    let values = || losses.iter().copied().chain(held_out.iter().map(|&(_, loss)| loss)).chain([level]);
    let (low, high) = (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max));
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(0..losses.len(), (low - 0.1).max(0.0)..high + 0.1)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("step").y_desc("loss, nats per byte").draw()?;

    let (step, train, measured, line_to_beat) =
        (RGBColor(176, 196, 222), RGBColor(31, 90, 160), RGBColor(200, 70, 30), BLACK);
    let mut line = |label: &str, points: Vec<(usize, f32)>, style: ShapeStyle| {
        let series = chart.draw_series(LineSeries::new(points, style))?;
        series.label(label).legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        Outcome::Ok(())
    };
    line("each step", losses.iter().copied().enumerate().collect(), step.stroke_width(1))?;
    line("mean of 20 steps", smoothed(losses, 20), train.stroke_width(2))?;
    line("held-out text", held_out.to_vec(), measured.stroke_width(2))?;
    line(&format!("{name}, held-out text"), vec![(0, level), (losses.len(), level)], line_to_beat.stroke_width(1))?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

/// The mean of the last `count` values at each.
fn smoothed(values: &[f32], count: usize) -> Vec<(usize, f32)> {
    let mean = |end: usize| {
        let window = &values[end.saturating_sub(count)..end];
        window.iter().sum::<f32>() / window.len() as f32
    };
    (1..=values.len()).map(|end| (end, mean(end))).collect()
}
