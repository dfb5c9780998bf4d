//! A graph of what came before what, and its cycles.

use std::collections::VecDeque;

/// Why one operation came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The other wrote to the same account after it.
    WriteWrite = 1,
    /// The other read what it wrote.
    WriteRead = 2,
    /// It read, and did not see what the other wrote.
    ReadWrite = 4,
    /// It had ended when the other began.
    RealTime = 8,
}

impl Link {
    pub const fn name(self) -> &'static str {
        match self {
            Self::WriteWrite => "ww",
            Self::WriteRead => "wr",
            Self::ReadWrite => "rw",
            Self::RealTime => "rt",
        }
    }
}

/// Which links a path may have.
#[derive(Clone, Copy, Debug)]
pub struct Links(u8);

impl Links {
    pub fn of(links: &[Link]) -> Self {
        Self(links.iter().fold(0, |all, link| all | *link as u8))
    }

    const fn have(self, link: Link) -> bool {
        self.0 & link as u8 != 0
    }
}

/// Nodes are numbers.
#[derive(Debug, Default)]
pub struct Graph {
    edges: Vec<Vec<(usize, Link)>>,
}

impl Graph {
    pub fn with_nodes(nodes: usize) -> Self {
        Self {
            edges: vec![Vec::new(); nodes],
        }
    }

    pub fn add(&mut self, before: usize, link: Link, after: usize) {
        if before != after && !self.edges[before].contains(&(after, link)) {
            self.edges[before].push((after, link));
        }
    }

    pub fn edges(&self, node: usize) -> &[(usize, Link)] {
        &self.edges[node]
    }

    /// The sets of nodes that lie on common cycles (Tarjan's strongly connected components of more than one node).
    pub fn knots(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let nodes = self.edges.len();
        let (mut index, mut low) = (vec![UNSEEN; nodes], vec![UNSEEN; nodes]);
        let mut is_open = vec![false; nodes];
        let (mut open, mut knots, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..nodes {
            if index[root] != UNSEEN {
                continue;
            }
            // A stack of our own: a history has more operations than a thread has stack.
            let mut path = vec![(root, 0)];
            while let Some((node, edge)) = path.pop() {
                if edge == 0 {
                    index[node] = next;
                    low[node] = next;
                    next += 1;
                    open.push(node);
                    is_open[node] = true;
                }
                if let Some((to, _)) = self.edges[node].get(edge) {
                    path.push((node, edge + 1));
                    if index[*to] == UNSEEN {
                        path.push((*to, 0));
                    } else if is_open[*to] {
                        low[node] = low[node].min(index[*to]);
                    }
                    continue;
                }
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == index[node] {
                    let mut knot = Vec::new();
                    while let Some(member) = open.pop() {
                        is_open[member] = false;
                        knot.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if knot.len() > 1 {
                        knots.push(knot);
                    }
                }
            }
        }
        knots
    }

    /// A shortest path between two nodes over these links: each link with the node that it leads to.
    pub fn path(&self, from: usize, to: usize, links: Links) -> Option<Vec<(Link, usize)>> {
        let mut came = std::collections::HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for (next, link) in &self.edges[node] {
                if !links.have(*link) || came.contains_key(next) {
                    continue;
                }
                came.insert(*next, (node, *link));
                if *next == to {
                    let mut path = Vec::new();
                    let mut at = to;
                    loop {
                        let (before, link) = came[&at];
                        path.push((link, at));
                        at = before;
                        if at == from {
                            path.reverse();
                            return Some(path);
                        }
                    }
                }
                queue.push_back(*next);
            }
        }
        None
    }
}
