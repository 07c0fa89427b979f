//! The planner: from what was found about one post to the steps that mend it. Pure; it looks at nothing.

use std::collections::BTreeSet;

use landfall_stores::catalogue::{JsonList, ListColumn, Post};

use super::{RepairOptions, Step};
use crate::Archive;
use crate::claim::{Name, Place, belongs, name_of};
use crate::finding::Finding;
use crate::verify::candidates::{plain_names, stem};
use crate::verify::{Judged, Verdict};

/// A step with what it is about.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) finding: Finding,
    /// The look's subject that is settled where nothing can be done for good.
    pub(super) about: String,
    /// For people: the plain name, or the URL.
    pub(super) subject: String,
    pub(super) step: Step,
}

impl Archive {
    /// Steps about the post's columns, which come first: what they hold decides everything else.
    pub(super) fn plan_columns(&self, post: &Post, options: &RepairOptions) -> Vec<Planned> {
        let mut steps = Vec::new();
        let lists = [
            (ListColumn::Media, Some(&post.media)),
            (ListColumn::Local, post.local.as_ref()),
            (ListColumn::Hub, Some(&post.hub)),
        ];
        for (column, list) in lists {
            let Some((list, fault)) = list.and_then(|list| Some((list, list.fault?))) else { continue };
            let finding = if fault.is_unreadable() { Finding::Malformed } else { Finding::Doubled };
            if !options.wants(finding) {
                continue;
            }
            let step = match salvage(list) {
                Some(items) => Step::Rewrite { column, was: list.raw.clone(), items },
                None => Step::Leave(format!(
                    "what the column {} holds is no list; it is left as it is",
                    column.name()
                )),
            };
            steps.push(Planned {
                finding,
                about: format!("{} {}", post.key(), column.name()),
                subject: column.name().to_owned(),
                step,
            });
        }
        if post.lost_its_media() && post.media.unreadable().is_none() && options.wants(Finding::LostMedia) {
            let step = match self.resolver {
                Some(_) => Step::Ask,
                None => Step::Leave("no resolver is configured that could be asked".to_owned()),
            };
            let about = format!("{} media_urls", post.key());
            steps.push(Planned {
                finding: Finding::LostMedia,
                about,
                subject: "media_urls".to_owned(),
                step,
            });
        }
        steps
    }

    /// Steps about the post's recorded URLs.
    pub(super) fn plan_claims(
        &self,
        post: &Post,
        judged: &[Judged],
        options: &RepairOptions,
    ) -> Vec<Planned> {
        let mut used: BTreeSet<Place> =
            judged.iter().filter(|j| j.finding.is_none()).filter_map(|j| j.claim.place.clone()).collect();
        let mut named: BTreeSet<String> =
            judged.iter().filter_map(|j| self.own_name(j, post)).map(|name| stem(&name).to_owned()).collect();
        let mut steps = Vec::new();
        for judged in judged {
            let Some(finding) = judged.finding.filter(|finding| options.wants(*finding)) else { continue };
            let own = self.own_name(judged, post);
            let step = match finding {
                Finding::ForeignUrl => {
                    Step::Leave("it is no URL of a place that can be looked at".to_owned())
                }
                Finding::LostMedia | Finding::Malformed | Finding::Doubled => continue,
                Finding::Changed | Finding::Unproven => match judged.verdict {
                    Some(Verdict::Replace) => self.plan_sending(post, judged, own.clone(), &mut named),
                    Some(Verdict::Settle(reason)) => Step::Settle(reason, judged.detail.words.clone()),
                    Some(Verdict::Later) | None => Step::Leave(judged.detail.words.clone()),
                },
                _ => match judged.found.iter().find(|place| !used.contains(*place)).cloned() {
                    Some(place) => {
                        used.insert(place.clone());
                        Step::Correct { from: judged.claim.url.clone(), to: self.shelves.print(&place) }
                    }
                    None => match self.sealed_place(judged, own.as_deref()) {
                        Some((from, to)) => Step::Move { from, to },
                        None => self.plan_sending(post, judged, own.clone(), &mut named),
                    },
                },
            };
            let subject = match &step {
                Step::Send { name, .. } => name.clone(),
                _ => own.unwrap_or_else(|| judged.claim.url.clone()),
            };
            steps.push(Planned { finding, about: judged.settling(), subject, step });
        }
        steps
    }

    /// Where an object goes whose content is sealed and whose name is plain.
    fn sealed_place(&self, judged: &Judged, own: Option<&str>) -> Option<(Place, Place)> {
        let from = judged.claim.place.clone().filter(|_| judged.sealed)?;
        let (folder, _) = from.path.rsplit_once('/')?;
        let sealed = self.seal.as_ref()?.name(own?).ok()?;
        let folder = match folder.starts_with("encrypted_") {
            true => folder.to_owned(),
            false => format!("encrypted_{folder}"),
        };
        let to = Place::new(from.repo.clone(), format!("{folder}/{sealed}"));
        Some((from, to))
    }

    /// The plain name of a claim's file, where its path tells and it is this post's.
    fn own_name(&self, judged: &Judged, post: &Post) -> Option<String> {
        let place = judged.claim.place.as_ref()?;
        match name_of(place, self.seal.as_deref()) {
            Name::Sealed(name) | Name::Enc(name) | Name::Plain(name) => {
                Some(name).filter(|name| belongs(name, &post.id))
            }
            Name::Unreadable => None,
        }
    }

    fn plan_sending(
        &self,
        post: &Post,
        judged: &Judged,
        own: Option<String>,
        named: &mut BTreeSet<String>,
    ) -> Step {
        if self.seal.is_none() {
            return Step::Leave("no seal is configured, and nothing is ever sent unsealed".to_owned());
        }
        let name = own.or_else(|| plain_names(post).into_iter().find(|name| !named.contains(stem(name))));
        let Some(name) = name else {
            return Step::Leave("neither the path nor the post tells which file it is".to_owned());
        };
        named.insert(stem(&name).to_owned());
        let media = media_index(post, &name);
        Step::Send { name, media, replaces: Some(judged.claim.url.clone()) }
    }
}

/// Which of a post's media a plain name means; `None` where its number alone does not tell.
///
/// Files were counted from 0 or from 1 (reference/media-catalogue.md 1.2), so a number decides only where
/// there is one medium, or where the siblings' numbers show the base.
fn media_index(post: &Post, name: &str) -> Option<usize> {
    let count = post.media.items.len();
    if count == 1 {
        return Some(0);
    }
    let number = |name: &str| -> Option<usize> {
        let rest = stem(name).strip_prefix(post.id.as_str())?.strip_prefix('_')?;
        rest.split('_').next()?.parse().ok()
    };
    let names = plain_names(post);
    let numbers: Vec<usize> = names.iter().filter_map(|name| number(name)).collect();
    let own = number(name)?;
    let recorded = post.local.as_ref().is_some_and(|list| !list.items.is_empty());
    let from_one = own == count || (recorded && numbers.contains(&count));
    let from_zero = own == 0 || (recorded && numbers.contains(&0));
    match (from_one, from_zero) {
        (true, false) => own.checked_sub(1).filter(|at| *at < count),
        (false, true) => Some(own).filter(|at| *at < count),
        _ => None,
    }
}

/// What can be saved of a column without guessing: a list without its repetitions, a single text, `null`.
/// A broken text is nobody's to mend but its writer's.
fn salvage(list: &JsonList) -> Option<Vec<String>> {
    if list.unreadable().is_none() {
        let mut seen = BTreeSet::new();
        return Some(list.items.iter().filter(|item| seen.insert(*item)).cloned().collect());
    }
    match serde_json::from_str(list.raw.as_deref()?) {
        Ok(serde_json::Value::String(one)) => Some(vec![one]),
        Ok(serde_json::Value::Null) => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(raw: &str) -> JsonList {
        JsonList::read(Some(raw.to_owned()))
    }

    fn post(media: usize, local: &[&str]) -> Post {
        let media: Vec<String> =
            (0..media).map(|n| format!("https://pbs.twimg.com/media/K{n}?format=jpg&name=orig")).collect();
        let local: Vec<String> = local.iter().map(|path| (*path).to_owned()).collect();
        Post {
            table: "all_tweets".to_owned(),
            id: "19".to_owned(),
            username: "花子".to_owned(),
            display: None,
            date: String::new(),
            media: list(&JsonList::dump(&media)),
            local: Some(list(&JsonList::dump(&local))),
            hub: JsonList::default(),
            uploaded: None,
        }
    }

    #[test]
    fn a_column_is_mended_only_where_nothing_has_to_be_guessed() {
        let saved = |raw: &str| salvage(&list(raw));
        assert_eq!(saved(r#"["a", "b", "a"]"#).unwrap(), ["a", "b"]);
        assert_eq!(saved(r#""https://huggingface.co/花""#).unwrap(), ["https://huggingface.co/花"]);
        assert_eq!(saved("null").unwrap(), Vec::<String>::new());
        for broken in [r#"["https://a/花", "https://b/"#, r#"["a", 1]"#, "https://pbs.twimg.com/media/花"] {
            assert_eq!(saved(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_number_decides_which_media_only_where_the_base_is_shown() {
        assert_eq!(media_index(&post(1, &[]), "19_0.jpg"), Some(0));
        assert_eq!(media_index(&post(1, &[]), "19_1.jpg"), Some(0));
        assert_eq!(media_index(&post(3, &[]), "19_1.jpg"), None);
        assert_eq!(media_index(&post(3, &[]), "19_3.jpg"), Some(2));
        assert_eq!(media_index(&post(3, &[]), "19_0.jpg"), Some(0));
        let from_one = ["images/花子/19_1.jpg", "images/花子/19_2.jpg", "images/花子/19_3.jpg"];
        assert_eq!(media_index(&post(3, &from_one), "19_2.jpg"), Some(1));
        let from_zero = ["images/花子/19_0.jpg", "images/花子/19_1.jpg"];
        assert_eq!(media_index(&post(3, &from_zero), "19_1.jpg"), Some(1));
    }
}
