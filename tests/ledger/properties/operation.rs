//! Random operations on four accounts.

use daybook_entity::{AccountStatus, LimitPolicy};
use proptest::prelude::*;

/// From, to, amount; accounts by their number.
pub(super) type Lines = Vec<(usize, usize, i64)>;

/// Account, whether it is the available balance, at least, at most.
pub(super) type Condition = (usize, bool, Option<i64>, Option<i64>);

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Post(Lines, Vec<Condition>),
    Hold(Lines, Vec<Condition>),
    /// Of the holds that there are, which one; quarters of each line to capture, or all that is left; whether the rest stays set aside.
    Capture(usize, Option<Vec<i64>>, bool),
    /// Quarters to release, or all that is left.
    Release(usize, Option<Vec<i64>>),
    /// Of the entries that there are, which one; quarters of each line to move back, or all that is left.
    Reverse(usize, Option<Vec<i64>>),
    Status(usize, AccountStatus),
    /// The policy, the least and the largest balance.
    Limits(usize, LimitPolicy, Option<i64>, Option<i64>),
}

fn lines() -> impl Strategy<Value = Lines> {
    let amount = prop_oneof![
        12 => 1..200_i64,
        2 => Just(i64::MAX / 2),
        1 => Just(i64::MAX),
        1 => Just(i64::MAX - 100),
        1 => -1..=0_i64,
    ];
    prop::collection::vec((0..4_usize, 0..4_usize, amount), 1..4)
}

fn limit() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        4 => Just(None),
        8 => (-400..400_i64).prop_map(Some),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, 0, i64::MAX / 2, i64::MAX]).prop_map(Some),
    ]
}

/// Mostly none.
fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let bound = || prop::option::of(-150..150_i64);
    let condition = (0..4_usize, any::<bool>(), bound(), bound());
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(condition, 1..3),
    ]
}

/// Quarters of each line, or all that is left.
fn quarters() -> impl Strategy<Value = Option<Vec<i64>>> {
    prop::option::of(prop::collection::vec(0..=4_i64, 3))
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let status = prop_oneof![
        4 => Just(AccountStatus::Open),
        2 => Just(AccountStatus::Frozen),
        1 => Just(AccountStatus::Closed),
    ];
    let policy = prop_oneof![
        4 => Just(LimitPolicy::None),
        1 => Just(LimitPolicy::NoDebitOverdraft),
        1 => Just(LimitPolicy::NoCreditOverdraft),
    ];
    prop_oneof![
        6 => (lines(), conditions()).prop_map(|(lines, conditions)| Operation::Post(lines, conditions)),
        5 => (lines(), conditions()).prop_map(|(lines, conditions)| Operation::Hold(lines, conditions)),
        5 => (any::<usize>(), quarters(), any::<bool>())
            .prop_map(|(which, quarters, keeps_rest)| Operation::Capture(which, quarters, keeps_rest)),
        3 => (any::<usize>(), quarters()).prop_map(|(which, quarters)| Operation::Release(which, quarters)),
        5 => (any::<usize>(), quarters()).prop_map(|(which, quarters)| Operation::Reverse(which, quarters)),
        2 => (0..4_usize, status).prop_map(|(account, status)| Operation::Status(account, status)),
        3 => (0..4_usize, policy, limit(), limit())
            .prop_map(|(account, policy, min, max)| Operation::Limits(account, policy, min, max)),
    ]
}
