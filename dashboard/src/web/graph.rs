//! Boxes in columns with lines between them, drawn here.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

const BOX: (usize, usize) = (210, 30);
const GAP: (usize, usize) = (90, 12);
/// Longer names are cut; the whole one is in the title.
const LABEL: usize = 28;

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// What stands in it.
    pub(crate) label: String,
    /// Where it leads.
    pub(crate) link: Option<String>,
    /// Its colour, as those of lines in charts.
    pub(crate) tone: &'static str,
}

/// Boxes in columns, and which lead to which of the next column.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    titles: Vec<&'static str>,
    columns: Vec<Vec<Node>>,
    /// Column, row in it, row in the next one.
    edges: Vec<(usize, usize, usize)>,
}

impl Graph {
    /// Columns of these titles.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), columns: vec![Vec::new(); titles.len()], edges: Vec::new() }
    }

    /// Columns in which each box leads to all of the next.
    pub(crate) fn stages(columns: Vec<Vec<Node>>) -> Self {
        let pairs = columns.iter().zip(columns.iter().skip(1)).enumerate();
        let edges = pairs.flat_map(|(column, (these, next))| {
            let next = next.len();
            (0..these.len()).flat_map(move |row| (0..next).map(move |to| (column, row, to)))
        });
        Self { titles: Vec::new(), edges: edges.collect(), columns }
    }

    /// Puts boxes in, one a column, each leading to the next; a box that is there already is that one.
    pub(crate) fn path(&mut self, nodes: impl IntoIterator<Item = Node>) {
        let mut last: Option<usize> = None;
        for (column, node) in nodes.into_iter().enumerate() {
            let Some(boxes) = self.columns.get_mut(column) else { return };
            let found = boxes.iter().position(|known| *known == node);
            let row = found.unwrap_or(boxes.len());
            if found.is_none() {
                boxes.push(node);
            }
            if let Some(last) = last {
                let edge = (column - 1, last, row);
                if !self.edges.contains(&edge) {
                    self.edges.push(edge);
                }
            }
            last = Some(row);
        }
    }

    /// The drawing; `of` says in words what it shows.
    pub(crate) fn draw(&self, of: &str) -> Markup {
        let rows = self.columns.iter().map(Vec::len).max().unwrap_or_default();
        let (width, height) = (self.columns.len() * (BOX.0 + GAP.0) - GAP.0 + 2, (rows + 1) * (BOX.1 + GAP.1));
        html! {
            div.scroll tabindex="0" {
                svg.graph viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="group" aria-label=(of) {
                    @for (column, row, next) in &self.edges { path.edge d=(curve(*column, *row, *next)) {} }
                    @for (column, title) in self.titles.iter().enumerate() {
                        text.title x=(place(column, 0).0 + 8) y="18" { (title) }
                    }
                    @for (column, nodes) in self.columns.iter().enumerate() {
                        @for (row, node) in nodes.iter().enumerate() { (shape(node, place(column, row))) }
                    }
                }
            }
        }
    }
}

fn place(column: usize, row: usize) -> (usize, usize) {
    (column * (BOX.0 + GAP.0) + 1, (row + 1) * (BOX.1 + GAP.1) - GAP.1)
}

fn shape(node: &Node, (x, y): (usize, usize)) -> Markup {
    let label: String = node.label.chars().take(LABEL).collect();
    let more = if label.len() < node.label.len() { "…" } else { "" };
    let shape = html! {
        rect.(node.tone) x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="6" {}
        text x=(x + 10) y=(y + 20) { (label) (more) }
        title { (node.label) }
    };
    html! {
        @if let Some(link) = &node.link { a href=(link) { (shape) } } @else { g { (shape) } }
    }
}

fn curve(column: usize, row: usize, next: usize) -> PreEscaped<String> {
    let (from, to) = (place(column, row), place(column + 1, next));
    let (x1, y1, x2, y2) = (from.0 + BOX.0, from.1 + BOX.1 / 2, to.0, to.1 + BOX.1 / 2);
    let mut path = String::new();
    // A String takes all that is written to it; these are numbers.
    let _ = write!(path, "M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + GAP.0 / 2, x2 - GAP.0 / 2);
    PreEscaped(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(label: &str) -> Node {
        Node { label: label.into(), link: None, tone: "plain" }
    }

    #[test]
    fn every_box_of_a_stage_leads_to_all_of_the_next() {
        let graph = Graph::stages(vec![vec![node("a")], vec![node("b"), node("c")], vec![node("d")]]);
        assert_eq!(graph.edges, [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0)]);
    }

    #[test]
    fn a_box_is_there_once_and_what_is_in_it_is_escaped() {
        let mut graph = Graph::new(&["a", "b"]);
        graph.path([node("<x>"), node("one")]);
        graph.path([node("<x>"), node("two")]);
        graph.path([node("<x>"), node("two")]);
        assert_eq!((graph.columns[0].len(), graph.columns[1].len(), graph.edges.len()), (1, 2, 2));
        let drawn = graph.draw("a graph").into_string();
        assert!(drawn.contains("&lt;x&gt;") && !drawn.contains("<x>"), "{drawn}");
        assert_eq!(drawn.matches("<rect").count(), 3);
    }
}
