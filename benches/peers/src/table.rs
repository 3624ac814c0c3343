//! The table of figures, in Markdown.

type Figure = Result<f64, String>;

pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

pub struct Row {
    work: &'static str,
    unit: &'static str,
    /// `None` if it was not measured.
    figures: Vec<Option<Figure>>,
}

impl Row {
    pub fn keep_best(&mut self, column: usize, figure: Figure) {
        let kept = &mut self.figures[column];
        *kept = Some(match (kept.take(), figure) {
            (Some(Ok(old)), Ok(new)) => Ok(old.min(new)),
            (None, new) => new,
            // A peer that fails sometimes must not look better than it is.
            (Some(Err(reason)), _) | (_, Err(reason)) => Err(reason),
        });
    }

    pub fn has_failed(&self, column: usize) -> bool {
        matches!(self.figures[column], Some(Err(_)))
    }

    fn get(&self, columns: &[&str], name: &str) -> Option<f64> {
        let column = columns.iter().position(|&column| column == name)?;
        self.figures[column].as_ref()?.as_ref().ok().copied()
    }

    /// The best figure of a runtime other than oneloop, with the runtime's name.
    fn best_peer(&self, columns: &[&'static str]) -> Option<(f64, &'static str)> {
        let peers = columns.iter().filter(|name| !["oneloop", "mio", "epoll"].contains(name));
        let figures = peers.filter_map(|&name| Some((self.get(columns, name)?, name)));
        figures.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

impl Table {
    pub fn new(columns: Vec<&'static str>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub fn add_row(&mut self, work: &'static str, unit: &'static str) -> &mut Row {
        let figures = self.columns.iter().map(|_| None).collect();
        self.rows.push(Row { work, unit, figures });
        self.rows.last_mut().expect("it was just pushed")
    }

    /// Prints nothing if there is no row.
    pub fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        println!(
            "| work | unit | {} | oneloop / tokio | oneloop / best peer |",
            self.columns.join(" | ")
        );
        println!("|---|---|{}", "---:|".repeat(self.columns.len() + 2));
        let mut reasons = Vec::new();
        for row in &self.rows {
            print!("| {} | {} |", row.work, row.unit);
            for figure in &row.figures {
                print!(" {} |", cell(figure.as_ref(), &mut reasons));
            }
            let own = row.get(&self.columns, "oneloop");
            let tokio = row.get(&self.columns, "tokio");
            print!(" {} |", ratio(own, tokio));
            match row.best_peer(&self.columns) {
                Some((best, name)) => println!(" {} ({name}) |", ratio(own, Some(best))),
                None => println!(" |"),
            }
        }
    }
}

/// Prints a reason once, where it first appears.
fn cell<'a>(figure: Option<&'a Figure>, reasons: &mut Vec<&'a str>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(Ok(figure)) if *figure < 100.0 => format!("{figure:.1}"),
        Some(Ok(figure)) => format!("{figure:.0}"),
        Some(Err(reason)) if reasons.contains(&reason.as_str()) => "n/a".to_owned(),
        Some(Err(reason)) => {
            reasons.push(reason);
            format!("**n/a: {reason}**")
        }
    }
}

fn ratio(own: Option<f64>, other: Option<f64>) -> String {
    match (own, other) {
        (Some(own), Some(other)) => format!("{:.2}", own / other),
        _ => "–".to_owned(),
    }
}
