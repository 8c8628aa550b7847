//! The page's files: written by hand, in the program.

/// The type and the text of a file, by its path.
#[must_use]
pub fn file(path: &str) -> Option<(&'static str, &'static str)> {
    Some(match path {
        "/" => ("text/html; charset=utf-8", include_str!("page/page.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page/page.js")),
        "/icon.svg" => ("image/svg+xml", include_str!("page/icon.svg")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_small_and_asks_nobody_else() {
        let files = ["/", "/page.css", "/page.js"].map(|path| file(path).map_or("", |(_, text)| text));
        assert!(files.iter().map(|text| text.len()).sum::<usize>() <= 40 * 1024);
        for text in files {
            assert!(!text.is_empty() && !text.contains("http://") && !text.contains("https://"));
            // What the policy forbids, and what would let a key become markup.
            assert!(
                ![
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacent",
                    "document.write",
                    " style=",
                    "<style",
                    " onclick"
                ]
                .iter()
                .any(|word| text.contains(word))
            );
        }
    }
}
