//! `quern model import`: a float model becomes a graph and weights, with what it lost.

use {
    crate::{
        error::{Error, Result},
        files::{self, Role},
        folder::{self, Card, Made, Source},
        formats::{self, Hints},
        output::{Fields, Format},
        progress::Wheel,
        texts, written,
    },
    quern_import::{
        Imported, Recipe, Texts, Tokenizer, Weights, bert,
        network::{self, Answer},
        onnx,
    },
    quern_proof::{Tensor, graph},
    serde_json::{Value, json},
    std::path::{Path, PathBuf},
};

/// The recipe in a folder of one.
const RECIPE: &str = "recipe.json";

/// What is imported, and how it is measured.
#[derive(clap::Args)]
pub struct Args {
    /// A recipe (recipe.json or its folder), an encoder's weights (.safetensors) or a network (.onnx)
    #[arg(value_name = "RECIPE_OR_FILE")]
    source: PathBuf,
    /// Folder to write graph, weights and card into; it is made if it is missing
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Folder with the files that the recipe names, as `cargo xtask fetch NAME` prints it
    #[arg(long, env = "QUERN_MODEL_FILES", value_name = "FOLDER")]
    files: Option<PathBuf>,
    /// Tokens of a text; what is longer loses its end. Short ones make short traces
    #[arg(long, value_name = "COUNT", default_value_t = 128)]
    sequence: usize,
    /// An encoder's configuration [default: config.json beside the weights]
    #[arg(long, value_name = "FILE")]
    encoder_config: Option<PathBuf>,
    /// An encoder's tokenizer [default: tokenizer.json beside the weights]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// What calibrates: texts, one on each line; of a network items, a row each, in any format of `quern tensor convert`
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// What measures: others of the same kind, at least 16
    #[arg(long, value_name = "FILE")]
    held_out: Option<PathBuf>,
    /// A network that answers with the place of its largest value instead of all values
    #[arg(long)]
    class: bool,
    /// The model's name, at most 32 bytes [default: that of the recipe, otherwise of the folder of --out]
    #[arg(long, value_parser = written::name)]
    name: Option<String>,
}

/// A graph with its weights and its card; and the tokenizer's file, if it reads texts.
struct ImportedModel {
    graph: Vec<u8>,
    weights: Vec<Tensor>,
    tokenizer: Option<Vec<u8>>,
    card: Card,
}

/// Imports a model.
pub fn run(format: Format, args: &Args) -> Result<()> {
    files::check_folder(&args.out, "--out")?;
    let wheel = Wheel::new("reading");
    let made = args.made(&wheel)?;
    wheel.say("writing");
    let folder = Made {
        graph: &made.graph,
        weights: &made.weights,
        tokenizer: made.tokenizer.as_deref(),
        card: &made.card,
    };
    folder.write(&args.out)?;
    drop(wheel);
    fields(args, &made)?.print(format);
    Ok(())
}

fn fields(args: &Args, made: &ImportedModel) -> Result<Fields> {
    let sealed = graph::seal(&made.graph).map_err(quern_proof::Error::from)?;
    let weights: u64 = made.weights.iter().map(|one| one.data().len() as u64).sum();
    let card = &made.card;
    let mut fields = Fields::new()
        .text("model", &card.name)
        .maybe("tokens_of_a_text", card.sequence)
        .with("graph_bytes", made.graph.len())
        .text("graph_sha256", &card.graph_sha256)
        .bytes("weights", weights)
        .with("work_of_an_item", sealed.work)
        .bytes("trace_of_an_item", sealed.trace_bytes);
    let figures = [
        ("texts", "measured_on"),
        ("mean_cosine", "mean_cosine"),
        ("least_cosine", "least_cosine"),
        ("spearman", "spearman"),
        ("same_nearest", "same_nearest"),
        ("same_class", "same_class"),
    ];
    for (key, name) in figures {
        fields = match card.quality.get(key) {
            Some(Value::Number(figure)) if figure.is_f64() => fields.with(name, rounded(figure)),
            Some(figure) => fields.with(name, figure.clone()),
            None => fields,
        };
    }
    Ok(fields.text("written", args.out.display()))
}

/// Four digits behind the point.
fn rounded(figure: &serde_json::Number) -> f64 {
    (figure.as_f64().unwrap_or_default() * 1e4).round() / 1e4
}

impl Args {
    fn made(&self, wheel: &Wheel) -> Result<ImportedModel> {
        let end = self.source.extension().and_then(|end| end.to_str());
        match end {
            Some("safetensors") => self.encoder(wheel),
            Some("onnx") => self.network(wheel),
            _ => self.recipe(wheel),
        }
    }

    /// By a recipe, whose files somebody has fetched.
    fn recipe(&self, wheel: &Wheel) -> Result<ImportedModel> {
        let path = match self.source.is_dir() {
            true => self.source.join(RECIPE),
            false => self.source.clone(),
        };
        let role = Role::source("RECIPE_OR_FILE");
        let bytes = role.read(&path)?;
        let recipe =
            Recipe::from_json(&bytes).map_err(|error| role.no_such(&path, &bytes, error))?;
        let Some(files) = &self.files else {
            let folder = path.parent().and_then(Path::file_name);
            let folder = folder.unwrap_or_default().to_string_lossy();
            return Err(Error::Usage(format!(
                "the recipe names files and holds none; fetch them with `cargo xtask fetch {folder}` and name the folder that it prints with --files"
            )));
        };
        let ingredients = recipe.read(files)?;
        let mut tell = |step| wheel.say(step);
        let imported = ingredients.import_told(self.sequence, &mut tell)?;
        let pinned = [&recipe.weights, &recipe.config, &recipe.tokenizer].into_iter();
        let pinned = pinned.chain(recipe.texts.iter().map(|lines| &lines.file));
        let sources = pinned.map(|one| Source {
            file: one.path.clone(),
            sha256: one.sha256.clone(),
        });
        let sources = sources.collect();
        let name = self.name.clone().unwrap_or(recipe.name);
        self.of_texts(imported, name, ingredients.tokenizer, sources)
    }

    /// An encoder out of its own files.
    fn encoder(&self, wheel: &Wheel) -> Result<ImportedModel> {
        let name = self.named()?;
        let beside = |named: &Option<PathBuf>, name: &str| {
            let path = named.clone();
            path.unwrap_or_else(|| self.source.with_file_name(name))
        };
        let config_path = beside(&self.encoder_config, "config.json");
        let tokenizer_path = beside(&self.tokenizer, folder::TOKENIZER);
        let weights = Role::source("RECIPE_OR_FILE").read(&self.source)?;
        bert::modules::check_beside(&self.source)?;
        let config = Role::config("--encoder-config").read(&config_path)?;
        let tokenizer = Role::tokenizer("--tokenizer").read(&tokenizer_path)?;
        let [calibration, held_out] = self.sets()?;
        let (calibration, held_out) = (
            texts::read(calibration, "--calibration")?,
            texts::read(held_out, "--held-out")?,
        );
        let imported = bert::told(
            &Weights::from_safetensors(&weights)?,
            &bert::Config::from_json(&config)?,
            &Tokenizer::new(&tokenizer, self.sequence)?,
            Texts {
                calibration: &calibration,
                held_out: &held_out,
            },
            bert::Settings::default(),
            &mut |step| wheel.say(step),
        )?;
        let sources = vec![
            Source::of(&self.source, &weights),
            Source::of(&config_path, &config),
            Source::of(&tokenizer_path, &tokenizer),
        ];
        self.of_texts(imported, name, tokenizer, sources)
    }

    fn of_texts(
        &self,
        imported: Imported,
        name: String,
        tokenizer: Vec<u8>,
        made_of: Vec<Source>,
    ) -> Result<ImportedModel> {
        let card = Card {
            name,
            graph_sha256: folder::sha256(&imported.graph),
            sequence: Some(self.sequence),
            input_scale: None,
            output_scale: None,
            quality: json!(imported.quality),
            made_of,
        };
        Ok(ImportedModel {
            graph: imported.graph,
            weights: imported.weights,
            tokenizer: Some(tokenizer),
            card,
        })
    }

    /// A small network.
    fn network(&self, wheel: &Wheel) -> Result<ImportedModel> {
        let name = self.named()?;
        let bytes = Role::source("RECIPE_OR_FILE").read(&self.source)?;
        let read = onnx::read(&bytes)?;
        let [calibration, held_out] = self.sets()?;
        let (calibration, held_out) = (
            items(calibration, "--calibration")?,
            items(held_out, "--held-out")?,
        );
        wheel.say("calibrating and measuring");
        let answer = match self.class {
            true => Answer::Class,
            false => Answer::Values,
        };
        let made = network::network(&read, &calibration, &held_out, answer)?;
        let mut quality = json!(made.quality);
        quality["same_class"] = made.same_class.into();
        let card = Card {
            name,
            graph_sha256: folder::sha256(&made.graph),
            sequence: None,
            input_scale: Some(made.input_scale),
            output_scale: (!self.class).then_some(made.output_scale),
            quality,
            made_of: vec![Source::of(&self.source, &bytes)],
        };
        Ok(ImportedModel {
            graph: made.graph,
            weights: made.weights,
            tokenizer: None,
            card,
        })
    }

    /// What calibrates and what measures.
    fn sets(&self) -> Result<[&Path; 2]> {
        match (&self.calibration, &self.held_out) {
            (Some(calibration), Some(held_out)) => Ok([calibration, held_out]),
            _ => Err(Error::Usage(
                "a model is calibrated with texts or items and measured with others; name both files with --calibration and --held-out".to_owned(),
            )),
        }
    }

    /// The name of a model without a recipe.
    fn named(&self) -> Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let folder = self.out.file_name().unwrap_or_default();
        written::name(&folder.to_string_lossy()).map_err(|why| {
            Error::Usage(format!(
                "the name of the folder {} is no name of a model: {why}; name one with --name",
                self.out.display()
            ))
        })
    }
}

/// The rows of a file of numbers.
fn items(path: &Path, option: &'static str) -> Result<Vec<Vec<f64>>> {
    let format = formats::Format::of(path, None)?;
    let role = Role::tensor_in(format.described(), option);
    let bytes = role.read(path)?;
    let numbers = formats::read(&bytes, format, &Hints::default());
    let numbers = numbers.map_err(|why| role.no_such(path, &bytes, why))?;
    Ok(numbers.rows().map(<[f64]>::to_vec).collect())
}
