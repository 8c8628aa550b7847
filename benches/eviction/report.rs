//! Tables of figures, printed as Markdown.

use std::collections::BTreeMap;

/// Figures by row, by column and by place within a cell; a cell shows its places as `1.0 / 2.0 / 3.0`.
#[derive(Debug, Default)]
pub struct Grid {
    rows: Vec<String>,
    columns: Vec<String>,
    /// Places of the fullest cell.
    places: usize,
    figures: BTreeMap<(usize, usize, usize), f64>,
}

impl Grid {
    /// A table whose first columns are known.
    pub fn with_columns<'a>(names: impl Iterator<Item = &'a str>) -> Grid {
        Grid { columns: names.map(str::to_owned).collect(), ..Grid::default() }
    }

    /// Puts a figure in. Rows and other columns are shown in the order in which they are first named.
    pub fn note(&mut self, row: &str, column: &str, place: usize, figure: f64) {
        let row = number_of(&mut self.rows, row);
        let column = number_of(&mut self.columns, column);
        self.places = self.places.max(place + 1);
        self.figures.insert((row, column, place), figure);
    }

    /// The figure there.
    pub fn figure(&self, row: &str, column: &str, place: usize) -> Option<f64> {
        let row = self.rows.iter().position(|name| name == row)?;
        let column = self.columns.iter().position(|name| name == column)?;
        self.figures.get(&(row, column, place)).copied()
    }

    /// Names of the rows.
    pub fn rows(&self) -> &[String] {
        &self.rows
    }

    /// Places of the fullest cell.
    pub fn places(&self) -> usize {
        self.places
    }

    /// The mean of a column at a place, over the rows where every column has a figure there.
    pub fn mean(&self, column: &str, place: usize) -> Option<f64> {
        let column = self.columns.iter().position(|name| name == column)?;
        let has = |row, column| self.figures.contains_key(&(row, column, place));
        let full = (0..self.rows.len()).filter(|row| (0..self.columns.len()).all(|other| has(*row, other)));
        let figures: Vec<f64> = full.map(|row| self.figures[&(row, column, place)]).collect();
        (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
    }

    /// The table, with a last row of means where wanted. Figures have so many decimals.
    pub fn markdown(&self, corner: &str, decimals: usize, with_means: bool) -> String {
        let mut text = format!("| {corner} | {} |\n", self.columns.join(" | "));
        text += &format!("|---|{}\n", "---|".repeat(self.columns.len()));
        for row in &self.rows {
            text += &self.line(row, decimals, |column, place| self.figure(row, column, place));
        }
        if with_means && self.rows.len() > 1 {
            text += &self.line("mean", decimals, |column, place| self.mean(column, place));
        }
        text
    }

    fn line(&self, name: &str, decimals: usize, figure: impl Fn(&str, usize) -> Option<f64>) -> String {
        let cell = |column: &String| {
            let places = (0..self.places).map(|place| match figure(column, place) {
                Some(figure) => format!("{figure:.decimals$}"),
                None => "–".to_owned(),
            });
            places.collect::<Vec<_>>().join(" / ")
        };
        format!("| {name} | {} |\n", self.columns.iter().map(cell).collect::<Vec<_>>().join(" | "))
    }
}

fn number_of(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_printed_with_gaps_and_means() {
        let mut grid = Grid::default();
        grid.note("one", "a", 0, 1.0);
        grid.note("one", "b", 0, 2.0);
        grid.note("one", "a", 1, 5.0);
        grid.note("two", "a", 0, 3.0);
        grid.note("two", "b", 0, 4.25);
        let text = "| x | a | b |\n|---|---|---|\n| one | 1.0 / 5.0 | 2.0 / – |\n| two | 3.0 / – | 4.2 / – |\n\
                    | mean | 2.0 / – | 3.1 / – |\n";
        assert_eq!(grid.markdown("x", 1, true), text);
    }

    #[test]
    fn a_mean_is_of_the_rows_that_all_columns_have() {
        let mut grid = Grid::default();
        grid.note("one", "a", 0, 1.0);
        grid.note("two", "a", 0, 3.0);
        grid.note("two", "b", 0, 9.0);
        assert_eq!((grid.mean("a", 0), grid.mean("b", 0), grid.mean("c", 0)), (Some(3.0), Some(9.0), None));
    }
}
