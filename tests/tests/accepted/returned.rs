//! Return types of every form. The expansion asks of each whether its value may hold a handle.

#![deny(warnings, rust_2018_idioms)]

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use sqlx::track;

#[derive(Debug)]
struct Exam;
#[derive(Debug)]
struct Page<T>(T);
#[derive(Debug)]
struct Lent<'a>(&'a str);
#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

type Outcome = Result<Exam, Failed>;
type Checked<T> = Result<T, Failed>;

trait Unit {
    fn number(&self) -> u8;
}

macro_rules! outcome {
    () => {
        Result<Exam, Failed>
    };
}

#[track]
async fn elided(text: &str) -> Lent<'_> {
    Lent(text)
}

#[track]
async fn named<'a>(text: &'a str) -> Result<Lent<'a>, Failed> {
    Ok(Lent(text))
}

#[track]
async fn alias() -> Outcome {
    Ok(Exam)
}

#[track]
async fn generic_alias() -> Checked<Vec<Page<Exam>>> {
    Err(Failed)
}

#[track]
async fn by_a_macro() -> outcome!() {
    Ok(Exam)
}

#[track]
async fn closure(number: &u8) -> Box<dyn Fn() -> u8 + '_> {
    Box::new(move || *number)
}

#[track]
async fn unsized_inside() -> Arc<Mutex<dyn Unit>> {
    unimplemented!()
}

#[track]
async fn not_written_yet() -> Checked<Exam> {
    todo!()
}

#[track]
async fn slice() -> Rc<[Exam]> {
    Rc::new([])
}

#[track]
async fn generic<T: Default>() -> Page<T> {
    Page(T::default())
}

#[track]
async fn array<T: Default, const N: usize>() -> [Page<T>; N] {
    [(); N].map(|()| Page(T::default()))
}

#[track]
async fn slots(page: &mut Option<Page<Exam>>, units: &mut Vec<Box<dyn Unit>>) -> Checked<()> {
    *page = Some(Page(Exam));
    units.clear();
    Ok(())
}

#[track]
async fn function() -> fn(&Exam) -> Lent<'_> {
    |_| Lent("")
}

#[track]
async fn tuple() -> (Exam, Cow<'static, str>, &'static Exam) {
    (Exam, "".into(), &Exam)
}

#[track]
async fn opaque(text: impl Into<String>) -> Result<Page<impl AsRef<str>>, Failed> {
    Ok(Page(text.into()))
}

#[track]
async fn nested(fails: bool) -> Result<Checked<Option<Exam>>, Box<dyn Error + Send + Sync>> {
    if fails {
        Err("failed")?;
    }
    Ok(Ok(None))
}

#[track]
fn future(text: &str) -> impl Future<Output = Result<Lent<'_>, Failed>> + Send {
    async move { Ok(Lent(text)) }
}

#[track]
fn boxed<'a>(exam: &'a Exam) -> Pin<Box<dyn Future<Output = Option<&'a Exam>> + Send + 'a>> {
    Box::pin(async move { Some(exam) })
}

struct Repo<T>(T);

#[track]
impl<T: Clone> Repo<T> {
    async fn itself(&mut self) -> Self {
        Self(self.0.clone())
    }

    async fn several(&self) -> Checked<Vec<Self>> {
        Ok(vec![Self(self.0.clone())])
    }

    async fn part(&mut self, _: &mut Self) -> Checked<T> {
        Ok(self.0.clone())
    }
}

trait Work {
    type Output;
    async fn run(&self) -> Result<Self::Output, Failed>;
}

#[track]
impl Work for Exam {
    type Output = Page<u8>;

    async fn run(&self) -> Result<Self::Output, Failed> {
        Ok(Page(1))
    }
}

#[track]
trait ByDefault {
    type Output: Default;

    async fn run(&mut self) -> Result<Self::Output, Failed> {
        Ok(Self::Output::default())
    }
}

impl ByDefault for Failed {
    type Output = u8;
}

#[tokio::test]
async fn a_value_of_any_type_is_returned() {
    assert_eq!(elided("a").await.0, "a");
    assert_eq!(named("b").await.unwrap().0, "b");
    assert!(alias().await.is_ok() && by_a_macro().await.is_ok());
    assert!(generic_alias().await.is_err());
    assert_eq!((closure(&3).await)(), 3);
    assert!(slice().await.is_empty());
    assert_eq!(generic::<u8>().await.0, 0);
    assert_eq!(array::<u8, 2>().await.len(), 2);
    let mut page = None;
    slots(&mut page, &mut Vec::new()).await.unwrap();
    assert!(page.is_some());
    assert_eq!((function().await)(&Exam).0, "");
    assert_eq!(tuple().await.1, "");
    assert_eq!(opaque("c").await.unwrap().0.as_ref(), "c");
    assert!(nested(true).await.is_err() && nested(false).await.is_ok());
    assert_eq!(future("d").await.unwrap().0, "d");
    assert!(boxed(&Exam).await.is_some());
    let (mut repo, mut other) = (Repo(1), Repo(2));
    assert_eq!(repo.itself().await.0, 1);
    assert_eq!(repo.several().await.unwrap().len(), 1);
    assert_eq!(repo.part(&mut other).await.unwrap(), 1);
    assert_eq!(Work::run(&Exam).await.unwrap().0, 1);
    assert_eq!(ByDefault::run(&mut Failed).await.unwrap(), 0);
}
