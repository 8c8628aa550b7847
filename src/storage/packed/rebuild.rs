//! A value in another layout, and a value with many items taken out: what is made anew as a whole.

use super::edit::Header;
use super::element::Element;
use super::form::{Form, Layout, Limits, RUN_LEN_MAX, Type};
use super::frame::Frame;
use super::ints::{self, Ints};
use super::item::Parts;
use super::page::{self, DIRECTORY_BYTES, OFFSET_BYTES};
use super::twoway;

/// The same value in another layout, its name kept. The layout must be one that `Misfit` asked for, or a run or page:
/// strings don't become integers again. Cost: one copy and an allocation; for a page one hash per item.
#[must_use]
pub fn rebuilt(value: &[u8], layout: Layout) -> Vec<u8> {
    let Some(form) = Form::read(value) else { return value.to_vec() };
    let form = form.with_layout(layout);
    let mut new = vec![0; form.header_bytes()];
    let mut count = 0;
    let mut earliest = None;
    // Where each item of a page begins, and its tag.
    let mut directory = Vec::new();
    if let Some(numbers) = Ints::read(value) {
        count = numbers.len();
        for number in numbers.iter_from(0) {
            let at = new.len();
            if let Some(width) = ints::width(layout) {
                new.extend_from_slice(&number.to_le_bytes()[..width]);
                continue;
            }
            let element = Element::Int(number);
            new.resize(at + element.encoded_bytes(), 0);
            element.encode(&mut new[at..]);
            directory.push((at, element.hash_tag()));
        }
    } else {
        let frame = Frame::read(value, form.of_type());
        let (items, _) = frame.parts();
        for place in frame.iter_from(0).places() {
            let at = new.len();
            new.extend_from_slice(&items[place.at..place.end]);
            count += 1;
            if let Some(item) = frame.item(place).filter(|_| layout == Layout::Page) {
                directory.push((at, item.first.hash_tag()));
            }
        }
        earliest = frame.earliest();
    }
    if layout == Layout::Page {
        page::append_directory(&mut new, form, directory.into_iter());
    }
    Header { form, count, earliest }.write(&mut new);
    new
}

/// Takes the items out, where they lie, for whose number `keep` says no; returns how many bytes are left.
/// Cost: one step per item and one copy of what is behind the first that goes; a page's items are sorted by place.
pub fn retain(value: &mut [u8], keep: impl FnMut(usize) -> bool) -> usize {
    let Some(form) = Form::read(value) else { return value.len() };
    let of_type = form.of_type();
    let header_bytes = form.header_bytes();
    if value.len() < header_bytes {
        return value.len();
    }
    let (count, end) = match (form.layout(), of_type) {
        (Layout::Page, _) => retain_page(value, form, keep),
        (Layout::Run, Type::List) => retain_run(value, form, keep, twoway::first_bytes),
        (Layout::Run, _) => {
            retain_run(value, form, keep, |item| Parts::of(item, of_type).map(|parts| parts.end))
        }
        (layout, _) => {
            let width = ints::width(layout).unwrap_or(value.len());
            retain_run(value, form, keep, |item| (item.len() >= width).then_some(width))
        }
    };
    // A header that tells no earliest deadline makes `earliest` look at the items.
    Header { form, count, earliest: None }.write(value);
    let earliest = Frame::read(&value[..end], of_type).earliest();
    let form = form.with_deadlines(earliest.is_some());
    let (from, to) = (header_bytes, form.header_bytes());
    value.copy_within(from..end, to);
    Header { form, count, earliest }.write(value);
    end - (from - to)
}

/// The layout in which a value takes less than in its own, now that items have gone: a run where a page has half as
/// many as a run may have. Half, so that one item that comes and goes does not change the form each time.
#[must_use]
pub fn lesser_layout(value: &[u8], limits: &Limits) -> Option<Layout> {
    let form = Form::read(value).filter(|form| form.layout() == Layout::Page)?;
    let count = Frame::read(value, form.of_type()).len();
    (count <= limits.run_items.min(RUN_LEN_MAX) / 2).then_some(Layout::Run)
}

/// Items one after the other. Returns how many are left, and where they end.
fn retain_run(
    value: &mut [u8],
    form: Form,
    mut keep: impl FnMut(usize) -> bool,
    bytes_of: impl Fn(&[u8]) -> Option<usize>,
) -> (usize, usize) {
    let header = form.header_bytes();
    let left = if form.layout() == Layout::Run {
        value.get(1).map_or(0, |count| usize::from(*count))
    } else {
        usize::MAX
    };
    let (mut from, mut to, mut count, mut index) = (header, header, 0, 0);
    while index < left
        && let Some(bytes) = value.get(from..).filter(|rest| !rest.is_empty()).and_then(&bytes_of)
    {
        if keep(index) {
            if from != to {
                value.copy_within(from..from + bytes, to);
            }
            (to, count) = (to + bytes, count + 1);
        }
        (from, index) = (from + bytes, index + 1);
    }
    (count, to)
}

fn retain_page(value: &mut [u8], form: Form, mut keep: impl FnMut(usize) -> bool) -> (usize, usize) {
    let header = form.header_bytes();
    let whole = value.len();
    let frame = Frame::read(value, form.of_type());
    let (items, Some(directory)) = frame.parts() else { return (0, whole) };
    let kept: Vec<_> = frame.iter_from(0).places().filter(|place| keep(place.index)).collect();
    // Items never overlap, but in bytes that nobody here wrote: those are left as they are.
    if kept.iter().map(|place| place.end - place.at).sum::<usize>() > items.len() {
        return (frame.len(), whole);
    }
    let mut new: Vec<u8> = vec![0; kept.len() * DIRECTORY_BYTES];
    let (offsets, tags) = new.split_at_mut(kept.len() * OFFSET_BYTES);
    for (tag, place) in tags.iter_mut().zip(&kept) {
        *tag = directory.tags()[place.index];
    }
    let mut moves: Vec<(usize, usize, usize)> =
        kept.iter().enumerate().map(|(rank, place)| (place.at, place.end, rank)).collect();
    moves.sort_unstable();
    let mut to = 0;
    for (at, end, rank) in moves {
        value.copy_within(header + at..header + end, header + to);
        offsets[rank * OFFSET_BYTES..][..OFFSET_BYTES].copy_from_slice(&(to as u16).to_le_bytes());
        to += end - at;
    }
    let end = header + to + new.len();
    value[header + to..end].copy_from_slice(&new);
    (kept.len(), end)
}
