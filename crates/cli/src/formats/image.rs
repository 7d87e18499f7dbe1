//! PNG: an image is a row of pixels of 0 to 255, row by row, the channels of a pixel together (height, width, channel).
//! Transparency is left out, 16 bits become 8.

use {
    super::{Numbers, values},
    quern_proof::Tensor,
    std::str::FromStr,
    zune_core::{
        bit_depth::BitDepth,
        bytestream::ZCursor,
        colorspace::ColorSpace,
        options::{DecoderOptions, EncoderOptions},
    },
    zune_png::{PngDecoder, PngEncoder, zune_core},
};

/// Most pixels in a line or column.
const MAX_SIDE: usize = 1 << 16;
/// Most bytes of all pixels; a small file can claim a huge image.
const MAX_PIXEL_BYTES: usize = 256 << 20;

/// Width and height of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no size; write for example 28x28");
        let (width, height) = text.split_once('x').ok_or_else(bad)?;
        let count = |text: &str| text.parse().ok().filter(|count| *count > 0);
        match (count(width), count(height)) {
            (Some(width), Some(height)) => Ok(Self { width, height }),
            _ => Err(bad()),
        }
    }
}

/// The pixels of an image.
pub fn read(bytes: &[u8], is_gray: bool) -> Result<Numbers, String> {
    let bad = |error: &dyn std::fmt::Debug| format!("it is no PNG: {error:?}");
    let options = DecoderOptions::new_safe()
        .png_set_strip_to_8bit(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| bad(&error))?;
    if decoder
        .output_buffer_size()
        .is_none_or(|size| size > MAX_PIXEL_BYTES)
    {
        return Err("the image is larger than 256 MiB".to_owned());
    }
    let pixels = decoder.decode_raw().map_err(|error| bad(&error))?;
    let (samples, colours) = match decoder.colorspace() {
        Some(ColorSpace::Luma) => (1, 1),
        Some(ColorSpace::LumaA) => (2, 1),
        Some(ColorSpace::RGB) => (3, 3),
        Some(ColorSpace::RGBA) => (4, 3),
        other => return Err(format!("its colours are {other:?}; save it as RGB or grey")),
    };
    let pixels = pixels.chunks_exact(samples);
    let values: Vec<f64> = pixels
        .filter_map(|pixel| pixel.get(..colours))
        .flat_map(|pixel| match (is_gray, pixel) {
            (true, [red, green, blue]) => vec![luminance(*red, *green, *blue)],
            (_, pixel) => pixel.to_vec(),
        })
        .map(f64::from)
        .collect();
    Numbers::flat(1, values.len() as u64, values, None)
}

/// How bright a colour is, as ITU-R BT.601 weighs it.
fn luminance(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    // The weights sum up to 1000.
    (sum / 1_000) as u8
}

/// An image of the only row; a square one where no size is named.
pub fn write(tensor: &Tensor, size: Option<ImageSize>) -> Result<Vec<u8>, String> {
    if tensor.rows() != 1 {
        return Err(format!(
            "an image is one row and there are {}; write another format, and choose a row with `quern tensor convert --row`",
            tensor.rows()
        ));
    }
    let (size, color) = fitting(tensor.cols(), size)?;
    let pixels = values(tensor.data(), tensor.dtype())
        .into_iter()
        .map(|value| u8::try_from(value).map_err(|_| value))
        .collect::<Result<Vec<u8>, i32>>()
        .map_err(|value| {
            format!("a pixel of {value} is not between 0 and 255; pass --scale and --offset")
        })?;
    let (width, height) = (size.width as usize, size.height as usize);
    let options = EncoderOptions::new(width, height, color, BitDepth::Eight);
    let mut bytes = Vec::new();
    PngEncoder::new(&pixels, options)
        .encode(&mut bytes)
        .map_err(|error| format!("the image cannot be written: {error:?}"))?;
    Ok(bytes)
}

/// Size and channels of this many values.
fn fitting(count: u32, size: Option<ImageSize>) -> Result<(ImageSize, ColorSpace), String> {
    let channels = [(1, ColorSpace::Luma), (3, ColorSpace::RGB)];
    let square = |pixels: u32| {
        let side = pixels.isqrt();
        (side * side == pixels).then_some(ImageSize {
            width: side,
            height: side,
        })
    };
    let found = channels.into_iter().find_map(|(samples, color)| {
        let size = match size {
            Some(size) => size,
            None => square(count.checked_div(samples)?)?,
        };
        let values = u64::from(size.width) * u64::from(size.height) * u64::from(samples);
        (values == u64::from(count)).then_some((size, color))
    });
    found.ok_or_else(|| match size {
        Some(size) => format!(
            "{count} values are no image of {} x {} in grey or RGB",
            size.width, size.height
        ),
        None => format!("{count} values are no square image; name its size with --size 28x28"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn squares_need_no_size() {
        let of = |count| fitting(count, None).unwrap();
        assert_eq!(of(784).0.width, 28);
        assert_eq!(
            of(3 * 16),
            (
                ImageSize {
                    width: 4,
                    height: 4
                },
                ColorSpace::RGB
            )
        );
        assert!(fitting(6, None).is_err());
        for text in ["", "28", "0x1", "axb", "1x1x1"] {
            assert!(text.parse::<ImageSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn pixels_below_zero_are_refused() {
        let tensor = Tensor::from_i8(1, 1, &[-1]).unwrap();
        assert!(write(&tensor, None).unwrap_err().contains("--offset"));
        let two = Tensor::from_i8(2, 1, &[1, 1]).unwrap();
        assert!(write(&two, None).unwrap_err().contains("--row"));
    }
}
