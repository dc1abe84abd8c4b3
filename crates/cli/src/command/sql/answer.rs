//! Writes the rows of an answer as they come.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches_with_options;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use super::AnswerFormat;
use crate::error::UsageError;

/// Most rows of formats that people read, unless more are asked for.
pub const SHOWN_ROWS_DEFAULT: u64 = 1_000;
/// Most rows of a table for people: all of them are laid out before the first is shown.
pub const TABLE_ROWS_MAX: u64 = 1_000_000;
/// What is told where a file or a pipe fails.
const UNWRITTEN: &str = "the answer cannot be written";
/// Level of zstd.
const ZSTD_LEVEL: i32 = 3;

impl AnswerFormat {
    /// Returns the format that was asked for, else that of the end of the file's name, else a table.
    ///
    /// # Errors
    /// Where the name of the file ends with none of them.
    pub fn chosen(asked: Option<Self>, output: Option<&Path>) -> Result<Self, UsageError> {
        if let Some(asked) = asked {
            return Ok(asked);
        }
        let Some(path) = output else {
            return Ok(Self::Table);
        };
        let end = path.extension().unwrap_or_default().to_string_lossy();
        match end.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "arrow" | "arrows" => Ok(Self::Arrow),
            "parquet" => Ok(Self::Parquet),
            "txt" => Ok(Self::Table),
            _ => Err(UsageError(format!(
                "{}: name the file .csv, .json, .arrow, .parquet or .txt, or say --format",
                path.display()
            ))),
        }
    }

    /// Returns the number of rows that are written where none was asked for; `None` for all.
    pub fn rows_default(self) -> Option<u64> {
        match self {
            Self::Table | Self::Json => Some(SHOWN_ROWS_DEFAULT),
            Self::Csv | Self::Arrow | Self::Parquet => None,
        }
    }
}

/// Where the answer goes.
enum Place {
    /// The standard output; true where nobody reads it any more.
    Output(Arc<AtomicBool>),
    /// Under way; it gets its name when it is complete.
    File(NamedTempFile, PathBuf),
}

type Out = Box<dyn Write + Send>;

/// An answer under way.
pub struct AnswerWriter {
    form: Form,
    place: Place,
    schema: SchemaRef,
}

enum Form {
    Table(Vec<RecordBatch>, Out),
    Csv(Box<arrow::csv::Writer<Out>>),
    Json(Box<arrow::json::Writer<Out, JsonArray>>),
    Arrow(Box<StreamWriter<Out>>),
    Parquet(Box<ArrowWriter<Out>>),
}

impl AnswerWriter {
    /// Begins an answer with these columns, to a file or the standard output.
    ///
    /// # Errors
    /// Where the file cannot be written, or bytes would go to a terminal.
    pub fn create(format: AnswerFormat, output: Option<&Path>, columns: &Schema) -> Result<Self> {
        let is_text = !matches!(format, AnswerFormat::Arrow | AnswerFormat::Parquet);
        let (place, out): (Place, Out) = match output {
            None if !is_text && std::io::stdout().is_terminal() => {
                let reason =
                    "this format is no text: name a file with --output, or redirect the output";
                return Err(UsageError(reason.to_owned()).into());
            }
            None => {
                let is_closed = Arc::new(AtomicBool::new(false));
                let pipe = Pipe {
                    out: std::io::stdout(),
                    is_closed: Arc::clone(&is_closed),
                };
                (Place::Output(is_closed), Box::new(BufWriter::new(pipe)))
            }
            Some(path) => {
                let file = beside(path)?;
                let out = BufWriter::new(file.as_file().try_clone()?);
                (Place::File(file, path.to_owned()), Box::new(out))
            }
        };
        let schema = plain_schema(columns, format);
        let form = match format {
            AnswerFormat::Table => Form::Table(Vec::new(), out),
            AnswerFormat::Csv => {
                let mut writer = arrow::csv::Writer::new(out);
                // The header, also where no row follows.
                writer.write(&RecordBatch::new_empty(Arc::clone(&schema)))?;
                Form::Csv(Box::new(writer))
            }
            AnswerFormat::Json => {
                let builder = WriterBuilder::new().with_explicit_nulls(true);
                Form::Json(Box::new(builder.build::<_, JsonArray>(out)))
            }
            AnswerFormat::Arrow => Form::Arrow(Box::new(StreamWriter::try_new(out, &schema)?)),
            AnswerFormat::Parquet => {
                let level = ZstdLevel::try_new(ZSTD_LEVEL)?;
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .build();
                let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
                Form::Parquet(Box::new(writer))
            }
        };
        Ok(Self {
            form,
            place,
            schema,
        })
    }

    /// Appends rows; `false` where nobody reads on.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        let batch = plain(batch, &self.schema)?;
        let outcome = match &mut self.form {
            Form::Table(batches, _) => {
                batches.push(batch);
                Ok(())
            }
            Form::Csv(writer) => writer.write(&batch),
            Form::Json(writer) => writer.write(&batch),
            Form::Arrow(writer) => writer.write(&batch),
            Form::Parquet(writer) => writer.write(&batch).map_err(ArrowError::from),
        };
        outcome.context(UNWRITTEN)?;
        Ok(match &self.place {
            Place::Output(is_closed) => !is_closed.load(Ordering::Relaxed),
            Place::File(..) => true,
        })
    }

    /// Completes the answer.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(self) -> Result<()> {
        let Self {
            form,
            place,
            schema,
        } = self;
        let outcome = match form {
            Form::Table(batches, out) => show(&batches, &schema, out),
            Form::Csv(writer) => flushed(writer.into_inner()),
            Form::Json(mut writer) => writer.finish().and_then(|()| {
                let mut out = writer.into_inner();
                writeln!(out)?;
                flushed(out)
            }),
            Form::Arrow(mut writer) => writer.finish().and_then(|()| flushed(writer.into_inner()?)),
            Form::Parquet(writer) => writer
                .into_inner()
                .map_err(ArrowError::from)
                .and_then(flushed),
        };
        outcome.context(UNWRITTEN)?;
        if let Place::File(file, path) = place {
            file.as_file().sync_all()?;
            file.persist(&path)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }
}

fn show(batches: &[RecordBatch], schema: &SchemaRef, mut out: Out) -> Result<(), ArrowError> {
    let empty = [RecordBatch::new_empty(Arc::clone(schema))];
    let batches = match batches.is_empty() {
        true => &empty[..],
        false => batches,
    };
    let shown = pretty_format_batches_with_options(batches, &FormatOptions::default())?;
    writeln!(out, "{shown}")?;
    flushed(out)
}

fn flushed(mut out: Out) -> Result<(), ArrowError> {
    Ok(out.flush()?)
}

/// The standard output. Who closed the pipe has seen enough: what is written then goes nowhere.
struct Pipe {
    out: std::io::Stdout,
    is_closed: Arc<AtomicBool>,
}

impl Pipe {
    fn sent<T>(&self, outcome: std::io::Result<T>, lost: T) -> std::io::Result<T> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed.store(true, Ordering::Relaxed);
                Ok(lost)
            }
            other => other,
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let outcome = self.out.write(bytes);
        self.sent(outcome, bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let outcome = self.out.flush();
        self.sent(outcome, ())
    }
}

fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Returns the columns as they are written: texts that every reader of the format knows.
fn plain_schema(columns: &Schema, format: AnswerFormat) -> SchemaRef {
    let field = |field: &FieldRef| {
        let found = plain_type(field.data_type());
        // CSV has no columns in columns.
        let found = match format == AnswerFormat::Csv && found.is_nested() {
            true => DataType::Utf8,
            false => found,
        };
        Field::new(field.name(), found, field.is_nullable())
    };
    let fields: Vec<Field> = columns.fields().iter().map(field).collect();
    Arc::new(Schema::new(fields))
}

fn plain_type(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| {
        let found = plain_type(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(found))
    };
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) => DataType::List(inner(field)),
        DataType::LargeList(field) => DataType::LargeList(inner(field)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let column = |(column, field): (&ArrayRef, &FieldRef)| {
        if column.data_type() == field.data_type() {
            return Ok(Arc::clone(column));
        }
        match column.data_type().is_nested() && !field.data_type().is_nested() {
            true => in_words(column),
            false => cast(column, field.data_type()),
        }
    };
    let columns: Result<Vec<ArrayRef>, ArrowError> = columns.map(column).collect();
    RecordBatch::try_new(Arc::clone(schema), columns?)
}

/// Returns the values of a nested column as texts.
fn in_words(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let texts = (0..column.len()).map(|row| {
        column
            .is_valid(row)
            .then(|| formatter.value(row).to_string())
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}
