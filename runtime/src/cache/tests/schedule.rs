//! Runs the actors of a program one step at a time, in every order.
//!
//! Each actor is a thread, and one of them runs at a time. Where it calls [`step`], as the cache does before whatever
//! other threads can see, the schedule decides who goes on. A run is repeated with other decisions until all have been
//! taken, so it must depend on nothing else.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake};
use std::thread;

use super::decisions::{Random, Schedule};
use crate::sync;

/// More runs are a mistake in the program: it has too many steps.
const MOST_RUNS: usize = 300_000;

thread_local! {
    static ACTOR: RefCell<Option<Actor>> = const { RefCell::new(None) };
}

/// Lets the schedule decide who goes on. Outside of a schedule, it does nothing.
pub(in crate::cache) fn step() {
    if let Some(actor) = current() {
        actor.run.pass_on(actor.number, Status::Ready);
    }
}

/// Whether the program is run without the check of epochs, to show that it finds what the check prevents.
pub(in crate::cache) fn ignores_epochs() -> bool {
    current().is_some_and(|actor| actor.run.ignores_epochs)
}

/// Polls the future. It stands still until it is woken.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let actor = current().expect("only an actor waits");
    let waker = Arc::new(actor.clone()).into();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        actor.run.pass_on(actor.number, Status::Waiting);
    }
}

/// Runs a program in each of its orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Explorer {
    /// An actor that could go on is interrupted at most so often in a run.
    pub(super) interruptions: usize,
    pub(super) ignores_epochs: bool,
}

pub(super) type Body = Box<dyn FnOnce() + Send>;

/// What runs at the same time, and what is checked afterwards.
pub(super) struct Program<const N: usize> {
    pub(super) actors: [Body; N],
    pub(super) afterwards: Box<dyn FnOnce()>,
}

impl Explorer {
    /// Runs the program in every order.
    ///
    /// # Panics
    ///
    /// With the panic of an actor, or if all that are left wait.
    pub(super) fn explore<const N: usize>(self, program: impl Fn() -> Program<N>) {
        let stage = Stage::new();
        let mut schedule = Some(Schedule::first(self.interruptions));
        for _ in 0..MOST_RUNS {
            let Some(order) = schedule else {
                return;
            };
            let ran = stage.run(program(), order, self.ignores_epochs);
            schedule = ran.after(self.interruptions);
        }
        panic!("there are more than {MOST_RUNS} orders");
    }
}

#[derive(Clone)]
struct Actor {
    run: Arc<Run>,
    number: usize,
}

fn current() -> Option<Actor> {
    ACTOR.with_borrow(Clone::clone)
}

impl Wake for Actor {
    fn wake(self: Arc<Self>) {
        let mut state = sync::lock(&self.run.state);
        let status = &mut state.actors[self.number];
        *status = match *status {
            Status::Waiting => Status::Ready,
            Status::Ready => Status::Woken,
            other => other,
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ready,
    /// It was woken before it has begun to wait.
    Woken,
    Waiting,
    Done,
}

struct Run {
    state: Mutex<State>,
    turns: Vec<Condvar>,
    ignores_epochs: bool,
}

struct State {
    schedule: Schedule,
    actors: Vec<Status>,
    running: usize,
    /// All that are left wait.
    is_stranded: bool,
}

impl Run {
    /// Lets the schedule decide who goes on, and returns when it is this actor's turn again.
    fn pass_on(&self, me: usize, status: Status) {
        let mut state = sync::lock(&self.state);
        let is_woken = state.actors[me] == Status::Woken;
        state.actors[me] = match status {
            Status::Waiting if is_woken => Status::Ready,
            Status::Ready if is_woken => Status::Woken,
            other => other,
        };
        state.decide(Some(me));
        if state.is_stranded {
            self.turns.iter().for_each(Condvar::notify_one);
        } else {
            self.turns[state.running].notify_one();
        }
        if status == Status::Done {
            return;
        }
        let state = self.wait_for_turn(me, state);
        let is_stranded = state.is_stranded;
        drop(state);
        assert!(
            !is_stranded || thread::panicking(),
            "all that are left wait"
        );
    }
}

impl Run {
    fn wait_for_turn<'a>(&self, me: usize, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let is_not_mine = |state: &mut State| state.running != me && !state.is_stranded;
        let waited = self.turns[me].wait_while(state, is_not_mine);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Decides who goes on: the actor that has run until now, or another.
    fn decide(&mut self, last: Option<usize>) {
        let can_go_on =
            |number: &usize| matches!(self.actors[*number], Status::Ready | Status::Woken);
        let interrupts = last.as_ref().is_some_and(can_go_on);
        let others = (0..self.actors.len()).filter(|number| Some(*number) != last);
        let able: Vec<_> = last.into_iter().chain(others).filter(can_go_on).collect();
        match able.len() {
            0 => self.is_stranded = self.actors.iter().any(|it| *it != Status::Done),
            1 => self.running = able[0],
            of => self.running = able[self.schedule.decide(of, interrupts)],
        }
    }
}

/// The threads of a program's actors. They serve one run after the other, because to start one takes longer than a run.
pub(super) struct Stage<const N: usize> {
    threads: [Thread; N],
}

struct Thread {
    begin: Sender<(Actor, Body)>,
    ended: Receiver<thread::Result<()>>,
}

impl<const N: usize> Stage<N> {
    pub(super) fn new() -> Self {
        let threads = [(); N].map(|()| {
            let (begin, next) = channel::<(Actor, Body)>();
            let (end, ended) = channel();
            thread::spawn(move || {
                for (actor, body) in next {
                    let result = act(&actor, body);
                    drop(actor);
                    // The test may have failed meanwhile.
                    let _ = end.send(result);
                }
            });
            Thread { begin, ended }
        });
        Self { threads }
    }

    /// Runs the program once, in an order that depends on the number.
    pub(super) fn run_at_random(&self, program: Program<N>, seed: u64) {
        self.run(program, Schedule::Random(Random::new(seed)), false);
    }

    fn run(&self, program: Program<N>, schedule: Schedule, ignores_epochs: bool) -> Schedule {
        let mut state = State {
            schedule,
            actors: vec![Status::Ready; N],
            running: 0,
            is_stranded: false,
        };
        state.decide(None);
        let run = Arc::new(Run {
            state: Mutex::new(state),
            turns: std::iter::repeat_with(Condvar::new).take(N).collect(),
            ignores_epochs,
        });
        for (number, (thread, body)) in self.threads.iter().zip(program.actors).enumerate() {
            let run = Arc::clone(&run);
            let sent = thread.begin.send((Actor { run, number }, body));
            assert!(sent.is_ok(), "the thread lives");
        }
        // All of them, before the first failure is passed on.
        let ended = self.threads.each_ref().map(|thread| thread.ended.recv());
        for ended in ended {
            let ended = ended.expect("what an actor panics with is caught");
            ended.unwrap_or_else(|panic| resume_unwind(panic));
        }
        (program.afterwards)();
        let run = Arc::into_inner(run).expect("its actors have ended");
        let state = run.state.into_inner();
        state.expect("nothing panics with the lock").schedule
    }
}

fn act(actor: &Actor, body: Body) -> thread::Result<()> {
    let state = sync::lock(&actor.run.state);
    drop(actor.run.wait_for_turn(actor.number, state));
    ACTOR.set(Some(actor.clone()));
    let ended = catch_unwind(AssertUnwindSafe(body));
    ACTOR.set(None);
    actor.run.pass_on(actor.number, Status::Done);
    ended
}
