//! The decisions of a schedule: who goes on.

/// Who goes on.
pub(super) enum Schedule {
    /// The decisions of this run. From `next` on, the first alternative is taken.
    Each {
        decisions: Vec<Decision>,
        next: usize,
        interruptions: usize,
    },
    Random(Random),
}

#[derive(Debug)]
pub(super) struct Decision {
    taken: usize,
    of: usize,
}

impl Schedule {
    /// The first of all orders in which an actor that could go on is interrupted at most so often.
    pub(super) fn first(interruptions: usize) -> Self {
        Self::Each {
            decisions: Vec::new(),
            next: 0,
            interruptions,
        }
    }

    /// The order after this one; `None` after the last.
    pub(super) fn after(self, interruptions: usize) -> Option<Self> {
        let Self::Each { mut decisions, .. } = self else {
            return None;
        };
        // The last decision that has an alternative left is taken otherwise.
        while decisions.pop_if(|it| it.taken + 1 == it.of).is_some() {}
        decisions.last_mut()?.taken += 1;
        Some(Self::Each {
            decisions,
            next: 0,
            interruptions,
        })
    }

    /// Decides between the actors that can go on. The one that runs, if it can, is the first.
    pub(super) fn decide(&mut self, of: usize, interrupts: bool) -> usize {
        match self {
            Self::Random(random) => random.below(of),
            Self::Each {
                interruptions: 0, ..
            } if interrupts => 0,
            Self::Each {
                decisions,
                next,
                interruptions,
            } => {
                if *next == decisions.len() {
                    decisions.push(Decision { taken: 0, of });
                }
                let decision = &decisions[*next];
                assert_eq!(
                    decision.of, of,
                    "the program depends on more than the schedule"
                );
                *next += 1;
                if interrupts && decision.taken > 0 {
                    *interruptions -= 1;
                }
                decision.taken
            }
        }
    }
}

/// Numbers that look random: xorshift64*.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }
}
