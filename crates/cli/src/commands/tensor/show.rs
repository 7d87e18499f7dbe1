//! `quern tensor show`: what is in a file.

use {
    crate::{
        error::Result,
        files::Role,
        formats::{self, dtype_name},
        output::{self, Fields, print_json, print_text},
    },
    quern_proof::{Tensor, commit::data_root},
    std::path::PathBuf,
};

/// Which file.
#[derive(clap::Args)]
pub struct Args {
    /// A tensor, a bundle or a trace
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Shows the tensors of a file.
pub fn run(format: output::Format, args: &Args) -> Result<()> {
    let role = Role::tensors("FILE");
    let bytes = role.read(&args.file)?;
    let (tensors, is_trace) =
        formats::tensors(&bytes).map_err(|why| role.no_such(&args.file, &bytes, why))?;
    let all: Vec<Fields> = tensors.iter().enumerate().map(fields).collect();
    if format == output::Format::Json {
        print_json(&all.iter().map(Fields::json).collect::<Vec<_>>());
        return Ok(());
    }
    for (fields, tensor) in all.iter().zip(&tensors) {
        fields.print(format);
        formats::preview(tensor)
            .iter()
            .for_each(|line| print_text(&format!("   {line}")));
    }
    if is_trace {
        print_text("It is a trace: the last tensor is the result.");
    }
    Ok(())
}

fn fields((index, tensor): (usize, &Tensor)) -> Fields {
    let values = formats::values(tensor.data(), tensor.dtype());
    Fields::new()
        .with("index", index)
        .text("dtype", dtype_name(tensor.dtype()))
        .with("rows", tensor.rows())
        .with("cols", tensor.cols())
        .with("least", values.iter().min().copied())
        .with("greatest", values.iter().max().copied())
        .text("root", hex::encode(data_root(tensor)))
}
