//! `millgate completions` and `millgate man`: what shells and `man` want to know of the command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Outcome, answer};

#[derive(clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell; the one in $SHELL if none is named
    shell: Option<Shell>,
}

#[derive(clap::Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder, which `man -M` or MANPATH then finds
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// What the program is called here: an application has its own binary.
fn command() -> clap::Command {
    let program = std::env::args_os().next().map(PathBuf::from);
    let name = program.and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    // Clap keeps names for as long as the program runs; there is one.
    let name: &'static str = name.map_or("millgate", |name| name.leak());
    Cli::command().name(name).bin_name(name)
}

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let Some(shell) = args.shell.or_else(Shell::from_env) else {
        return Ok(Outcome::Misunderstood(
            "$SHELL names no known shell; say which: bash, zsh, fish, elvish or powershell".into(),
        ));
    };
    let mut command = command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    answer::write(&String::from_utf8(text)?)?;
    Ok(Outcome::Well)
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<Outcome> {
    let Some(folder) = &args.to else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command()).render(&mut text)?;
        answer::write(&String::from_utf8(text)?)?;
        return Ok(Outcome::Well);
    };
    let section = folder.join("man1");
    let cannot = || format!("cannot write into {}", section.display());
    std::fs::create_dir_all(&section).with_context(cannot)?;
    clap_mangen::generate_to(command(), &section).with_context(cannot)?;
    println!("the pages are in {}", section.display());
    Ok(Outcome::Well)
}
