//! The planner: from what was found about one post to the steps that mend it. Pure; it looks at nothing.

use std::collections::BTreeSet;

use landfall_stores::catalogue::{
    Folder, JsonList, ListColumn, Post, Wanted, folder_of_url, identity, media_name, media_number,
};

use super::{RepairOptions, Step};
use crate::Archive;
use crate::claim::{Name, Place, belongs, name_of};
use crate::finding::Finding;
use crate::verify::candidates::{extension_of, local_names};
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
            judged.iter().filter_map(|judged| self.own_name(judged, post)).collect();
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
        let known = self.known_names(post);
        let siblings: Vec<String> =
            known.iter().chain(named.iter()).filter(|name| own.as_ref() != Some(*name)).cloned().collect();
        // What the database tells of the order may lack media: a number is believed where one count alone fits.
        let media = Wanted::media(post);
        let kinds: Vec<Folder> = media.iter().map(|url| folder_of_url(url)).collect();
        let number = |name: &str| {
            let names = siblings.iter().map(String::as_str);
            media_number(name, &post.id, names, &kinds)
        };
        let unnamed = |name: &String| !named.iter().any(|other| identity(other) == identity(name));
        let (name, media) = match own.or_else(|| local_names(post).into_iter().find(unnamed)) {
            Some(name) => {
                let number = number(&name);
                (name, number)
            }
            None => {
                let told: Option<BTreeSet<u32>> = siblings.iter().map(|name| number(name)).collect();
                let left = |number: &u32| told.as_ref().is_some_and(|told| !told.contains(number));
                let first = (1..).zip(&media).find(|(number, _)| left(number));
                let Some((at, url)) = first else {
                    let why = "neither the path nor the post tells which file it is";
                    return Step::Leave(why.to_owned());
                };
                let names = siblings.iter().map(String::as_str);
                (media_name(at, &post.id, names, &kinds, extension_of(url)), Some(at))
            }
        };
        named.insert(name.clone());
        Step::Send { name, media, replaces: Some(judged.claim.url.clone()), siblings }
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
}
