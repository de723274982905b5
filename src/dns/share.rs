//! The order of equals (RFC 2782, "Weight").

use super::Dice;

/// Draws from records of one priority without putting back until none is left. `group` has those of weight 0 first, so that
/// such a record has a small chance beside others. A draw of 0 belongs to the records of weight 0, so it is possible only
/// where there are some; otherwise the shares would not be those of the weights.
pub fn draw<'r, T>(group: &'r [T], weight: impl Fn(&T) -> u16, dice: &mut Dice) -> Vec<&'r T> {
    let mut left: Vec<&T> = group.iter().collect();
    let mut drawn = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let sum: u32 = left.iter().map(|record| u32::from(weight(record))).sum();
        let chosen = if sum == 0 {
            // Nothing but weight 0: equals, which the order in which DNS gave them would not make of them.
            dice.up_to(u32::try_from(left.len() - 1).unwrap_or(0)) as usize
        } else if weight(first) == 0 {
            at(&left, &weight, dice.up_to(sum))
        } else {
            at(&left, &weight, 1 + dice.up_to(sum - 1))
        };
        drawn.push(left.remove(chosen));
    }
    drawn
}

/// The first record whose running sum is not below the number that was drawn.
fn at<T>(records: &[&T], weight: &impl Fn(&T) -> u16, drawn: u32) -> usize {
    let sums = records.iter().scan(0, |sum, record| {
        *sum += u32::from(weight(record));
        Some(*sum)
    });
    sums.take_while(|sum| *sum < drawn).count()
}
