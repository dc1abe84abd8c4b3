//! Pixel values of one band, in the type the file stores.

/// Sample type of a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// Unsigned 8 bit.
    U8,
    /// Signed 8 bit.
    I8,
    /// Unsigned 16 bit.
    U16,
    /// Signed 16 bit.
    I16,
    /// Unsigned 32 bit.
    U32,
    /// Signed 32 bit.
    I32,
    /// Unsigned 64 bit.
    U64,
    /// Signed 64 bit.
    I64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
}

impl DataType {
    /// Returns the bytes of one sample.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Returns the name as numpy and rasterio write it, such as `uint16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// True for `F32` and `F64`.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// A sample type: what the generic pixel loops need to know.
pub trait Sample: Copy + PartialOrd + Default + Send + Sync + 'static {
    /// The run-time name of the type.
    const DATA_TYPE: DataType;

    /// The largest value: the end of an integer type, infinity.
    const LARGEST: Self;

    /// The smallest value: the other end of an integer type, negative infinity.
    const SMALLEST: Self;

    /// Returns the value as `f64`; 64-bit integers beyond 2^53 are rounded.
    fn to_f64(self) -> f64;

    /// Returns `value` in this type if the type can hold it, else `None`.
    ///
    /// Floats are rounded to the precision of the type; integers must be whole and in range.
    fn from_f64(value: f64) -> Option<Self>;

    /// Returns `value` in this type if the type can hold it, else `None`; floats are rounded.
    fn from_i128(value: i128) -> Option<Self>;

    /// True for a float that is not a number.
    fn is_nan(self) -> bool;

    /// Returns the vector inside `pixels` if it is of this type.
    fn slice(pixels: &Pixels) -> Option<&[Self]>;

    /// Wraps a vector of this type.
    fn wrap(values: Vec<Self>) -> Pixels;

    /// Takes the vector out of `pixels` if it is of this type.
    ///
    /// # Errors
    /// Gives `pixels` back where it is of another type.
    fn unwrap_values(pixels: Pixels) -> Result<Vec<Self>, Pixels>;
}

/// Values of one band, row by row from the north-west corner, in the stored type.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Unsigned 8 bit.
    U8(Vec<u8>),
    /// Signed 8 bit.
    I8(Vec<i8>),
    /// Unsigned 16 bit.
    U16(Vec<u16>),
    /// Signed 16 bit.
    I16(Vec<i16>),
    /// Unsigned 32 bit.
    U32(Vec<u32>),
    /// Signed 32 bit.
    I32(Vec<i32>),
    /// Unsigned 64 bit.
    U64(Vec<u64>),
    /// Signed 64 bit.
    I64(Vec<i64>),
    /// IEEE 754 single precision.
    F32(Vec<f32>),
    /// IEEE 754 double precision.
    F64(Vec<f64>),
}

/// Runs the same expression on the vector inside a [`Pixels`], whatever its type.
#[macro_export]
macro_rules! for_pixels {
    ($pixels:expr, $values:ident => $body:expr) => {
        match $pixels {
            $crate::Pixels::U8($values) => $body,
            $crate::Pixels::I8($values) => $body,
            $crate::Pixels::U16($values) => $body,
            $crate::Pixels::I16($values) => $body,
            $crate::Pixels::U32($values) => $body,
            $crate::Pixels::I32($values) => $body,
            $crate::Pixels::U64($values) => $body,
            $crate::Pixels::I64($values) => $body,
            $crate::Pixels::F32($values) => $body,
            $crate::Pixels::F64($values) => $body,
        }
    };
}

impl Pixels {
    /// Returns `len` zeros.
    pub fn zeros(data_type: DataType, len: usize) -> Self {
        match data_type {
            DataType::U8 => Self::U8(vec![0; len]),
            DataType::I8 => Self::I8(vec![0; len]),
            DataType::U16 => Self::U16(vec![0; len]),
            DataType::I16 => Self::I16(vec![0; len]),
            DataType::U32 => Self::U32(vec![0; len]),
            DataType::I32 => Self::I32(vec![0; len]),
            DataType::U64 => Self::U64(vec![0; len]),
            DataType::I64 => Self::I64(vec![0; len]),
            DataType::F32 => Self::F32(vec![0.0; len]),
            DataType::F64 => Self::F64(vec![0.0; len]),
        }
    }

    /// Returns `len` copies of `value`, or of 0 where the type cannot hold it.
    pub fn filled(data_type: DataType, len: usize, value: f64) -> Self {
        let mut pixels = Self::zeros(data_type, len);
        fn fill<T: Sample>(values: &mut [T], value: f64) {
            values.fill(T::from_f64(value).unwrap_or_default());
        }
        for_pixels!(&mut pixels, values => fill(values, value));
        pixels
    }

    /// Returns the sample type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::U8(_) => DataType::U8,
            Self::I8(_) => DataType::I8,
            Self::U16(_) => DataType::U16,
            Self::I16(_) => DataType::I16,
            Self::U32(_) => DataType::U32,
            Self::I32(_) => DataType::I32,
            Self::U64(_) => DataType::U64,
            Self::I64(_) => DataType::I64,
            Self::F32(_) => DataType::F32,
            Self::F64(_) => DataType::F64,
        }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        for_pixels!(self, values => values.len())
    }

    /// True where there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value at `index` as `f64`.
    ///
    /// # Panics
    /// Where `index` is out of range.
    pub fn get_f64(&self, index: usize) -> f64 {
        for_pixels!(self, values => values[index].to_f64())
    }
}

macro_rules! integer_sample {
    ($type:ty, $variant:ident) => {
        impl Sample for $type {
            const DATA_TYPE: DataType = DataType::$variant;
            const LARGEST: Self = <$type>::MAX;
            const SMALLEST: Self = <$type>::MIN;
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn from_f64(value: f64) -> Option<Self> {
                // The upper bound of 64-bit types rounds up to 2^63 or 2^64: `<` keeps it out.
                let below_end = value < (<$type>::MAX as f64) + 1.0;
                (value.fract() == 0.0 && value >= <$type>::MIN as f64 && below_end)
                    .then_some(value as $type)
            }
            fn from_i128(value: i128) -> Option<Self> {
                value.try_into().ok()
            }
            fn is_nan(self) -> bool {
                false
            }
            fn slice(pixels: &Pixels) -> Option<&[Self]> {
                match pixels {
                    Pixels::$variant(values) => Some(values),
                    _ => None,
                }
            }
            fn wrap(values: Vec<Self>) -> Pixels {
                Pixels::$variant(values)
            }
            fn unwrap_values(pixels: Pixels) -> Result<Vec<Self>, Pixels> {
                match pixels {
                    Pixels::$variant(values) => Ok(values),
                    other => Err(other),
                }
            }
        }
    };
}

macro_rules! float_sample {
    ($type:ty, $variant:ident) => {
        impl Sample for $type {
            const DATA_TYPE: DataType = DataType::$variant;
            const LARGEST: Self = <$type>::INFINITY;
            const SMALLEST: Self = <$type>::NEG_INFINITY;
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn from_f64(value: f64) -> Option<Self> {
                Some(value as $type)
            }
            fn from_i128(value: i128) -> Option<Self> {
                Some(value as $type)
            }
            fn is_nan(self) -> bool {
                <$type>::is_nan(self)
            }
            fn slice(pixels: &Pixels) -> Option<&[Self]> {
                match pixels {
                    Pixels::$variant(values) => Some(values),
                    _ => None,
                }
            }
            fn wrap(values: Vec<Self>) -> Pixels {
                Pixels::$variant(values)
            }
            fn unwrap_values(pixels: Pixels) -> Result<Vec<Self>, Pixels> {
                match pixels {
                    Pixels::$variant(values) => Ok(values),
                    other => Err(other),
                }
            }
        }
    };
}

integer_sample!(u8, U8);
integer_sample!(i8, I8);
integer_sample!(u16, U16);
integer_sample!(i16, I16);
integer_sample!(u32, U32);
integer_sample!(i32, I32);
integer_sample!(u64, U64);
integer_sample!(i64, I64);
float_sample!(f32, F32);
float_sample!(f64, F64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_that_the_type_cannot_hold_is_none() {
        assert_eq!(u8::from_f64(256.0), None);
        assert_eq!(u8::from_f64(-1.0), None);
        assert_eq!(u16::from_f64(0.5), None);
        assert_eq!(u64::from_f64(18_446_744_073_709_551_616.0), None);
        assert_eq!(i16::from_f64(-32768.0), Some(-32768));
        assert_eq!(f32::from_f64(-3.4028230607370965e38), Some(-3.402_823e38));
    }

    #[test]
    fn filled_keeps_the_type() {
        let pixels = Pixels::filled(DataType::I16, 3, -5.0);
        assert_eq!(pixels, Pixels::I16(vec![-5; 3]));
        assert_eq!(pixels.data_type().name(), "int16");
    }
}
