// SPDX-License-Identifier: MIT OR Apache-2.0
//! The physical size that a display states in its EDID (VESA E-EDID standard, release A2).

/// The size of a display's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Millimetres.
    pub width: u32,
    /// Millimetres.
    pub height: u32,
}

/// What displays write for an aspect ratio, in centimetres: no display has such a size.
const RATIOS: [(u8, u8); 6] = [(16, 9), (16, 10), (4, 3), (5, 4), (160, 90), (160, 100)];

/// No screen is smaller; what says so is a board's default. Inches of the diagonal.
const SMALLEST: f64 = 5.0;

/// The size that an EDID states; none if it states none, or if it is no EDID with a right
/// checksum. Takes any bytes.
///
/// The base block decides, in centimetres. The first detailed timing refines them to millimetres if
/// both agree, and is never believed alone: it is often a default of the board.
#[must_use]
pub fn size(edid: &[u8]) -> Option<Size> {
    let block = base_block(edid)?;
    let coarse = Size { width: u32::from(block[21]) * 10, height: u32::from(block[22]) * 10 };
    // One zero means an aspect ratio, two mean no size at all (a projector).
    let is_size = coarse.width != 0 && coarse.height != 0;
    if !is_size || RATIOS.contains(&(block[21], block[22])) || coarse.diagonal() < SMALLEST {
        return None;
    }
    let agrees = |fine: &Size| {
        fine.width.abs_diff(coarse.width) <= 10 && fine.height.abs_diff(coarse.height) <= 10
    };
    timing_size(&block[54..72]).filter(agrees).or(Some(coarse))
}

impl Size {
    /// Inches.
    #[must_use]
    pub fn diagonal(self) -> f64 {
        f64::from(self.width).hypot(f64::from(self.height)) / 25.4
    }
}

fn base_block(edid: &[u8]) -> Option<&[u8; 128]> {
    let block: &[u8; 128] = edid.first_chunk()?;
    let header = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (block.starts_with(&header) && sum == 0).then_some(block)
}

/// The image size of an 18-byte descriptor, where that is a detailed timing (its pixel clock is
/// not zero) with a size.
fn timing_size(descriptor: &[u8]) -> Option<Size> {
    let &[low, high, .., width, height, upper, _, _, _] = descriptor else { return None };
    let size = Size {
        width: u32::from(width) | u32::from(upper >> 4) << 8,
        height: u32::from(height) | u32::from(upper & 0xf) << 8,
    };
    ((low, high) != (0, 0) && size.width != 0 && size.height != 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An EDID with a size in centimetres and a first timing with one in millimetres.
    fn edid(cm: (u8, u8), mm: (u16, u16)) -> [u8; 128] {
        let mut block = [0; 128];
        block[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        (block[21], block[22]) = cm;
        (block[54], block[55]) = (0x02, 0x3a);
        (block[66], block[67]) = (mm.0 as u8, mm.1 as u8);
        block[68] = ((mm.0 >> 8) << 4 | mm.1 >> 8) as u8;
        seal(block)
    }

    fn seal(mut block: [u8; 128]) -> [u8; 128] {
        block[127] = 0;
        block[127] = block.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        block
    }

    const fn mm(width: u32, height: u32) -> Option<Size> {
        Some(Size { width, height })
    }

    #[test]
    fn millimetres_refine_centimetres_where_both_agree() {
        assert_eq!(size(&edid((60, 34), (597, 336))), mm(597, 336));
        assert_eq!(size(&edid((60, 34), (0, 0))), mm(600, 340));
        assert_eq!(size(&edid((121, 68), (708, 398))), mm(1210, 680));
        assert_eq!(size(&edid((121, 68), (1220, 681))), mm(1220, 681));
        assert_eq!(size(&edid((121, 68), (1221, 681))), mm(1210, 680));
    }

    #[test]
    fn an_aspect_ratio_and_a_zero_are_no_sizes_whatever_the_timing_says() {
        for cm in [(0, 0), (79, 0), (0, 34)].into_iter().chain(RATIOS) {
            let (width, height) = (u16::from(cm.0) * 10, u16::from(cm.1) * 10);
            for timing in [(0, 0), (708, 398), (1600, 900), (160, 90), (width, height)] {
                assert_eq!(size(&edid(cm, timing)), None, "{cm:?} {timing:?}");
            }
        }
    }

    #[test]
    fn any_other_size_is_one_even_of_an_exact_ratio() {
        for cm in [(48, 27), (64, 36), (112, 63), (32, 20), (64, 40), (40, 30), (50, 40), (161, 90)]
        {
            let expected = mm(u32::from(cm.0) * 10, u32::from(cm.1) * 10);
            assert_eq!(size(&edid(cm, (0, 0))), expected, "{cm:?}");
            assert_eq!(size(&edid(cm, (160, 90))), expected, "{cm:?}");
        }
        // Each ratio at each size that a byte can say, but for the six that are none.
        for (width, height) in [(16_u16, 9_u16), (16, 10), (4, 3), (5, 4)] {
            for times in 2..=255 / width {
                let cm = ((width * times) as u8, (height * times) as u8);
                let is_ratio = RATIOS.contains(&cm);
                let is_small = f64::from(cm.0).hypot(f64::from(cm.1)) / 2.54 < 5.0;
                let found = size(&edid(cm, (0, 0)));
                assert_eq!(found.is_none(), is_ratio || is_small, "{cm:?}");
            }
        }
    }

    #[test]
    fn no_screen_has_less_than_five_inches() {
        for (cm, is_size) in [((2, 1), false), ((11, 6), false), ((11, 7), true), ((7, 11), true)] {
            assert_eq!(size(&edid(cm, (0, 0))).is_some(), is_size, "{cm:?}");
        }
    }

    #[test]
    fn a_first_descriptor_that_is_no_timing_has_no_size() {
        let mut block = edid((60, 34), (597, 336));
        (block[54], block[55]) = (0, 0);
        assert_eq!(size(&seal(block)), mm(600, 340));
    }

    #[test]
    fn bytes_that_are_no_edid_have_no_size() {
        let good = edid((60, 34), (597, 336));
        assert_eq!(size(&good[..127]), None);
        assert_eq!(size(&[]), None);
        assert_eq!(size(&[0; 128]), None);
        for i in 0..128 {
            let mut bad = good;
            bad[i] ^= 0x10;
            assert_eq!(size(&bad), None, "byte {i}");
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..10_000 {
            let mut block = [0; 128];
            random.fill(&mut block[8..]);
            block[..8].copy_from_slice(&good[..8]);
            let _ = size(&seal(block));
            let _ = size(&block[..random.usize(..128)]);
        }
    }
}
