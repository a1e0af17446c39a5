//! `millgate dev`.

use super::{Call, Outcome};
use crate::dev;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Publish the sample traffic once, wait until everything is settled, check the balance and end
    #[arg(long)]
    demo: bool,
    /// With --demo: go on until Ctrl-C
    #[arg(long, requires = "demo")]
    stay: bool,
    /// Publish no sample traffic
    #[arg(long, conflicts_with = "demo")]
    no_samples: bool,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let plan = dev::Plan { demo: args.demo, stay: args.stay || !args.demo, samples: !args.no_samples };
    let well = dev::run(call.app, call.configuration, plan).await?;
    Ok(if well { Outcome::Well } else { Outcome::NotWell })
}
