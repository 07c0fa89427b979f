//! Which repository of the family each change belongs to, and the beginning of the next one.
//!
//! Owns the limits: they are planned for before anything is sent. A file that stands in any repository of the
//! family already belongs there, so that rolling over never makes a second copy.

use std::collections::{BTreeMap, HashMap};

use landfall_core::StoreError;

use super::counts::Counts;
use super::dataset::{Member, Shared};
use super::publish::{Answers, Item, Job};
use super::types::TreeEntry;
use super::walk::Walk;

/// Changes by the repository's number in the family.
pub(super) type Groups = BTreeMap<usize, Vec<Item>>;

impl Shared {
    /// Gives every change its repository; begins a new one where all are full.
    pub(super) async fn assign(&self, items: Vec<Item>, answers: &mut Answers) -> Result<Groups, StoreError> {
        let (puts, others): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| matches!(item.job, Job::Put(_)));
        let mut groups = Groups::new();
        for item in others {
            groups.entry(item.member.unwrap_or(0)).or_default().push(item);
        }
        if puts.is_empty() {
            return Ok(groups);
        }
        self.count().await?;
        let standing = self.standing(&puts).await?;
        let mut plan: Vec<Counts> = self.planned();
        for mut item in puts {
            let member = match standing.get(&item.path) {
                Some((member, entry)) => {
                    if let Job::Put(put) = &item.job
                        && !put.replace
                        && entry.lfs.is_some()
                        && !entry.is_object(&put.object.sha256, put.object.size)
                    {
                        answers.set(&item, Err(super::publish::occupied(&item.path)));
                        continue;
                    }
                    *member
                }
                None => self.place(&item.path, &mut plan).await?,
            };
            if let Job::Put(put) = &mut item.job {
                // What one repository's storage holds, another's does not.
                put.stored &= item.member == Some(member);
            }
            item.member = Some(member);
            groups.entry(member).or_default().push(item);
        }
        Ok(groups)
    }

    /// The first repository that has room, in the plan so far.
    async fn place(&self, path: &str, plan: &mut Vec<Counts>) -> Result<usize, StoreError> {
        let (files, per_folder) = (self.settings.files_per_repo, self.settings.files_per_folder);
        if let Some((at, counts)) =
            plan.iter_mut().enumerate().find(|(_, counts)| counts.has_room(path, files, per_folder))
        {
            counts.add(path);
            return Ok(at);
        }
        let mut counts = self.grow().await?;
        counts.add(path);
        plan.push(counts);
        Ok(plan.len() - 1)
    }

    /// Makes the next repository of the family, private, and counts what it holds.
    async fn grow(&self) -> Result<Counts, StoreError> {
        let last = self.family().last().map(|member| member.repo.clone());
        let next = last.map_or_else(|| self.repo(0), |last| Ok(last.next()))?;
        let info = self.api.create_repo(&next, true).await?;
        tracing::info!(repo = %next, "the dataset goes on in another repository");
        let counts =
            self.list_counts(&Member { repo: next.clone(), head: None, counts: None }, &info.sha).await?;
        let member = Member { repo: next, head: Some(info.sha), counts: Some(counts.clone()) };
        self.family().push(member);
        Ok(counts)
    }

    /// Counts every repository that has not been counted yet: once a process.
    async fn count(&self) -> Result<(), StoreError> {
        let members: Vec<(usize, Member)> = self.family().iter().cloned().enumerate().collect();
        for (at, member) in members.into_iter().filter(|(_, member)| member.counts.is_none()) {
            let head = self.api.repo(&member.repo).await?.sha;
            let counts = self.list_counts(&member, &head).await?;
            self.member(at, |member| {
                member.head = Some(head);
                member.counts = Some(counts);
            });
        }
        Ok(())
    }

    async fn list_counts(&self, member: &Member, head: &str) -> Result<Counts, StoreError> {
        let mut counts = Counts::new();
        let mut walk = Walk::new(&self.api, &member.repo, head);
        while let Some(step) = walk.next().await? {
            if step.restarted {
                counts = Counts::new();
            }
            step.entries.iter().for_each(|entry| counts.list(entry));
        }
        Ok(counts)
    }

    fn planned(&self) -> Vec<Counts> {
        self.family().iter().map(|member| member.counts.clone().unwrap_or_default()).collect()
    }

    /// What stands at these paths anywhere in the family. With one repository that has room for all of them the
    /// question of the upload itself answers that, and nothing is asked here.
    async fn standing(&self, puts: &[Item]) -> Result<HashMap<String, (usize, TreeEntry)>, StoreError> {
        let mut found = HashMap::new();
        if self.has_room_for_all(puts) {
            return Ok(found);
        }
        let paths: Vec<String> = puts.iter().map(|item| item.path.clone()).collect();
        let members = self.family().len();
        for at in 0..members {
            let repo = self.repo(at)?;
            let head = self.api.repo(&repo).await?.sha;
            for entry in self.api.paths_info(&repo, &head, &paths).await? {
                found.entry(entry.path.clone()).or_insert((at, entry));
            }
            self.member(at, |member| member.head = Some(head));
        }
        Ok(found)
    }

    fn has_room_for_all(&self, puts: &[Item]) -> bool {
        let mut plan = self.planned();
        let [only] = plan.as_mut_slice() else { return false };
        let (files, per_folder) = (self.settings.files_per_repo, self.settings.files_per_folder);
        puts.iter().all(|item| {
            let room = only.has_room(&item.path, files, per_folder);
            only.add(&item.path);
            room
        })
    }
}
