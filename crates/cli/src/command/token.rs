//! `swath token`: who may write, and see what is private, over HTTP.

use anyhow::Result;
use chrono::{SecondsFormat, Utc};
use swath_server::{IssuedToken, NewToken, TokenRole};

use crate::config::Context;

/// Commands on tokens.
#[derive(Debug, clap::Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it: the one time that it is seen
    Create(CreateArgs),
    /// Show names, subjects, roles and expiry of the tokens
    List(ListArgs),
    /// End a token at once
    Revoke(RevokeArgs),
}

/// Arguments of `swath token create`.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Name, unique among the tokens
    #[arg(long, value_name = "NAME")]
    name: String,
    /// User it speaks for, the owner of what it makes [default: the name]
    #[arg(long, value_name = "USER")]
    subject: Option<String>,
    /// What it allows: a member's own collections, or everything
    #[arg(long, value_enum, default_value_t)]
    role: RoleArg,
    /// Days until it expires [default: never]
    #[arg(long, value_name = "D")]
    days: Option<u32>,
}

/// Role of a token.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum RoleArg {
    /// Changes the subject's own collections
    #[default]
    Member,
    /// Changes everything
    Operator,
}

/// Arguments of `swath token list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `swath token revoke`.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// Name of the token
    name: String,
}

/// Runs the command.
///
/// # Errors
/// Where a name is taken or not there, or the file cannot be read or written.
pub fn run(context: &Context, command: TokenCommand) -> Result<()> {
    let tokens = context.tokens();
    match command {
        TokenCommand::Create(args) => {
            let token = tokens.create(&NewToken {
                name: args.name,
                subject: args.subject,
                role: match args.role {
                    RoleArg::Member => TokenRole::Member,
                    RoleArg::Operator => TokenRole::Operator,
                },
                days: args.days,
            })?;
            eprintln!("keep it: it is not shown again");
            println!("{token}");
        }
        TokenCommand::List(args) => print_tokens(&tokens.list()?, args)?,
        TokenCommand::Revoke(args) => tokens.revoke(&args.name)?,
    }
    Ok(())
}

fn print_tokens(tokens: &[IssuedToken], args: ListArgs) -> Result<()> {
    let now = Utc::now();
    let role = |token: &IssuedToken| match token.role {
        TokenRole::Operator => "operator",
        TokenRole::Member => "member",
    };
    let rfc3339 =
        |instant: chrono::DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::Secs, true);
    if args.json {
        let shown: Vec<_> = tokens
            .iter()
            .map(|token| {
                serde_json::json!({
                    "name": token.name,
                    "subject": token.subject,
                    "role": role(token),
                    "created": rfc3339(token.created),
                    "expires": token.expires.map(rfc3339),
                    "expired": token.is_expired(now),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    for token in tokens {
        let expires = match token.expires {
            None => "never expires".to_owned(),
            Some(end) if token.is_expired(now) => format!("expired {}", rfc3339(end)),
            Some(end) => format!("expires {}", rfc3339(end)),
        };
        println!(
            "{:<24}{:<24}{:<10}{expires}",
            token.name,
            token.subject,
            role(token)
        );
    }
    Ok(())
}
