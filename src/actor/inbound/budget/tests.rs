//! Who waits, and who goes.

use super::*;

/// Connections of a project that hold this much, each of half a frame since then.
fn holders(share: &InboundShare, bytes: &[usize], since: Instant) -> Vec<Arc<Holder>> {
    let one = |bytes: &usize| {
        let holder = share.enlist();
        holder.note_bytes(*bytes);
        holder.note_half(Some(since));
        share.take(*bytes);
        holder
    };
    bytes.iter().map(one).collect()
}

/// Which have to go.
fn condemned(holders: &[Arc<Holder>]) -> Vec<bool> {
    holders.iter().map(|holder| holder.is_condemned()).collect()
}

/// A budget, and the shares of two projects.
fn shares(limit: usize) -> (Arc<InboundBudget>, [Arc<InboundShare>; 2]) {
    let budget = Arc::new(InboundBudget::new(limit));
    let shares = ["a", "b"].map(|name| budget.share(Some(&ProjectId::from(name))));
    (budget, shares)
}

#[test]
fn a_project_has_a_quarter_and_all_have_no_more_than_all() {
    let (budget, [one, other]) = shares(400);
    one.take(100);
    assert!(one.is_full_for(0) && one.is_full_for(99) && !other.is_full_for(0));
    assert!(!one.is_full_for(100), "one that is alone may go on");
    let more = ["c", "d", "e"].map(|name| budget.share(Some(&ProjectId::from(name))));
    for share in [&more[0], &more[1], &other] {
        share.take(100);
    }
    assert!(more[2].is_full_for(0), "all is held");
    assert_eq!(budget.used(), 400);
    one.give(100);
    assert!(!more[2].is_full_for(0));
    let same = budget.share(Some(&ProjectId::from("b")));
    assert!(Arc::ptr_eq(&same, &other), "the same share, however often asked for");
}

#[test]
fn of_a_project_go_those_whose_frame_stays_half_the_largest_first_and_where_somebody_waits() {
    let (budget, [one, other]) = shares(4000);
    let (now, late) = (Instant::now(), Instant::now() + PATIENCE);
    let held = holders(&one, &[200, 300, 250, 200], now);
    let fresh = holders(&one, &[50], late);
    let others = holders(&other, &[900], now);
    assert!(!budget.relieve(late), "nobody waits");
    let waiting = one.enlist();
    assert!(!one.wait(&waiting, 0));
    assert!(budget.relieve(now));
    assert_eq!(condemned(&held), [false; 4], "they have their time");
    assert!(budget.relieve(late));
    assert_eq!(condemned(&held), [false, true, false, false], "an eighth is free then");
    assert!(budget.relieve(late));
    assert_eq!(condemned(&held), [false, true, false, false], "it is on its way");
    assert_eq!((condemned(&fresh), condemned(&others)), (vec![false], vec![false]));
    assert!(waiting.is_waiting());
    one.give(300);
    assert!(!waiting.is_waiting(), "woken");
    assert!(!budget.relieve(late));
}

#[test]
fn where_all_is_held_the_greediest_projects_go_first() {
    let (budget, [one, other]) = shares(1000);
    let (now, late) = (Instant::now(), Instant::now() + PATIENCE);
    let (some, more) = (holders(&one, &[500], now), holders(&other, &[100, 450], now));
    let third = budget.share(None);
    let waiting = third.enlist();
    assert!(!third.wait(&waiting, 0));
    assert!(budget.relieve(late));
    assert_eq!((condemned(&some), condemned(&more)), (vec![false], vec![false, true]));
    other.give(450);
    assert!(!waiting.is_waiting() && !budget.relieve(late));
}

#[test]
fn who_waits_and_goes_is_waited_for_by_nobody() {
    let (budget, [one, _]) = shares(400);
    let held = holders(&one, &[100], Instant::now());
    let waiting = one.enlist();
    assert!(!one.wait(&waiting, 0) && budget.relieve(Instant::now()));
    drop(waiting);
    assert!(!budget.relieve(Instant::now() + PATIENCE));
    assert_eq!(condemned(&held), [false]);
}
