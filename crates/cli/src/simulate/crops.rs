//! Crops, what happens to each parcel through the year, and the stage of its cover on a day.
//!
//! Days are days of the year with a fraction (1 January at midnight is 1.0). What happens on day
//! `d` happens at noon, `d + 0.5`: a morning image of that day still shows the state before.

use super::landscape::{Cover, Landscape};
use super::random::Random;

/// A crop that a parcel can carry or declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    WinterWheat,
    WinterBarley,
    SpringBarley,
    Maize,
    PermanentGrass,
    TemporaryGrass,
    Rapeseed,
    Potato,
    SugarBeet,
    Fallow,
}

impl Crop {
    /// All crops, with their share of the parcels on arable and on livestock farms.
    pub const ALL: [(Crop, f64, f64); 10] = [
        (Crop::WinterWheat, 0.27, 0.08),
        (Crop::WinterBarley, 0.09, 0.03),
        (Crop::SpringBarley, 0.15, 0.09),
        (Crop::Maize, 0.08, 0.20),
        (Crop::PermanentGrass, 0.08, 0.33),
        (Crop::TemporaryGrass, 0.04, 0.20),
        (Crop::Rapeseed, 0.11, 0.02),
        (Crop::Potato, 0.06, 0.02),
        (Crop::SugarBeet, 0.07, 0.01),
        (Crop::Fallow, 0.05, 0.02),
    ];

    /// Returns the code used in declarations.
    pub fn code(self) -> &'static str {
        match self {
            Crop::WinterWheat => "0111",
            Crop::WinterBarley => "0121",
            Crop::SpringBarley => "0122",
            Crop::Maize => "0131",
            Crop::PermanentGrass => "0401",
            Crop::TemporaryGrass => "0402",
            Crop::Rapeseed => "0211",
            Crop::Potato => "0311",
            Crop::SugarBeet => "0321",
            Crop::Fallow => "0501",
        }
    }

    /// Returns the English name.
    pub fn name(self) -> &'static str {
        match self {
            Crop::WinterWheat => "winter wheat",
            Crop::WinterBarley => "winter barley",
            Crop::SpringBarley => "spring barley",
            Crop::Maize => "maize",
            Crop::PermanentGrass => "permanent grass",
            Crop::TemporaryGrass => "temporary grass",
            Crop::Rapeseed => "rapeseed",
            Crop::Potato => "potato",
            Crop::SugarBeet => "sugar beet",
            Crop::Fallow => "fallow",
        }
    }

    /// True for crops that are mown, not harvested.
    pub fn is_grass(self) -> bool {
        matches!(self, Crop::PermanentGrass | Crop::TemporaryGrass)
    }

    /// True for cereals.
    pub fn is_cereal(self) -> bool {
        matches!(
            self,
            Crop::WinterWheat | Crop::WinterBarley | Crop::SpringBarley
        )
    }

    fn growth(self) -> Growth {
        let new = |sowing, winter, up, top, fall, harvest, straw| Growth {
            sowing,
            winter,
            up,
            top,
            fall,
            harvest,
            straw,
        };
        match self {
            Crop::WinterWheat => new(
                -75.0,
                0.28,
                (103.0, 9.0),
                0.93,
                (188.0, 6.0),
                (214.0, 5.0),
                0.5,
            ),
            Crop::WinterBarley => new(
                -88.0,
                0.34,
                (97.0, 9.0),
                0.92,
                (172.0, 6.0),
                (196.0, 4.0),
                0.5,
            ),
            Crop::SpringBarley => new(
                92.0,
                0.0,
                (40.0, 6.0),
                0.90,
                (193.0, 5.5),
                (219.0, 5.0),
                0.45,
            ),
            Crop::Maize => new(
                118.0,
                0.0,
                (48.0, 7.0),
                0.90,
                (272.0, 9.0),
                (268.0, 8.0),
                0.22,
            ),
            Crop::PermanentGrass => new(
                f64::NAN,
                0.55,
                (105.0, 12.0),
                0.88,
                (312.0, 12.0),
                (f64::NAN, 0.0),
                0.0,
            ),
            Crop::TemporaryGrass => new(
                f64::NAN,
                0.62,
                (97.0, 10.0),
                0.93,
                (318.0, 12.0),
                (f64::NAN, 0.0),
                0.0,
            ),
            Crop::Rapeseed => new(
                -130.0,
                0.50,
                (90.0, 8.0),
                0.92,
                (183.0, 7.0),
                (204.0, 4.0),
                0.42,
            ),
            Crop::Potato => new(
                108.0,
                0.0,
                (42.0, 5.0),
                0.93,
                (240.0, 6.0),
                (262.0, 7.0),
                0.12,
            ),
            Crop::SugarBeet => new(
                96.0,
                0.0,
                (58.0, 8.0),
                0.94,
                (340.0, 15.0),
                (286.0, 9.0),
                0.10,
            ),
            Crop::Fallow => new(
                f64::NAN,
                0.38,
                (122.0, 14.0),
                0.62,
                (196.0, 20.0),
                (f64::NAN, 0.0),
                0.0,
            ),
        }
    }
}

/// Course of the green cover of a crop.
struct Growth {
    /// Mean sowing day, below 1 in the year before; NaN for standing cover.
    sowing: f64,
    /// Green cover at the end of winter.
    winter: f64,
    /// Steepest growth (day of the year, or days after sowing in spring) and its width in days.
    up: (f64, f64),
    /// Largest green cover.
    top: f64,
    /// Steepest senescence and its width.
    fall: (f64, f64),
    /// Harvest: mean and deviation in days.
    harvest: (f64, f64),
    /// Cover of straw or stubble after the harvest.
    straw: f64,
}

/// What grows on one parcel in the year and what happens to it.
#[derive(Debug, Clone)]
pub struct CropYear {
    /// Crop that grows there.
    pub grown: Crop,
    /// Crop that the farmer declared.
    pub declared: Crop,
    /// Sowing of the main crop; zero or less is in the year before.
    pub sowing: Option<i32>,
    /// Harvest of the main crop.
    pub harvest: Option<i32>,
    /// Cuts of grass, in order.
    pub mowings: Vec<i32>,
    /// Ploughing after the harvest.
    pub ploughing: Option<i32>,
    /// Sowing of a catch crop after the harvest.
    pub catch_crop: Option<i32>,
    /// Sowing of next year's winter crop.
    pub winter_sowing: Option<i32>,
    /// Relative vigour, about 1.
    pub vigour: f64,
    /// Days by which growth is later than the mean.
    shift_days: f64,
    /// Steepest growth and senescence on this parcel.
    up_day: f64,
    fall_day: f64,
}

/// State of the land cover on a day: shares 0..=1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stage {
    /// Share of the ground under green leaves, seen from above.
    pub green: f64,
    /// Share under dry leaves, straw or stubble.
    pub dry: f64,
    /// Share under flowers (rapeseed).
    pub flower: f64,
    /// Standing plant mass relative to the largest, green or dry.
    pub standing: f64,
    /// Stem elongation of cereals, 1 at its strongest.
    pub stems: f64,
    /// Roughness of freshly worked soil, 1 on the day, fading.
    pub rough: f64,
}

/// Logistic step from 0 to 1 at 0.
fn rise(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

impl CropYear {
    /// Draws the year of each parcel.
    pub fn for_all(landscape: &Landscape, random: &Random) -> Vec<CropYear> {
        let parcels = &landscape.patches[..landscape.parcel_count];
        parcels
            .iter()
            .enumerate()
            .map(|(index, patch)| {
                debug_assert_eq!(patch.cover, Cover::Parcel);
                let keeps_animals = random.stream(1).uniform_at(patch.farm as u64) < 0.42;
                Self::draw(keeps_animals, &mut random.stream(1000 + index as u64))
            })
            .collect()
    }

    fn draw(keeps_animals: bool, draw: &mut Random) -> CropYear {
        let share = |entry: &(Crop, f64, f64)| if keeps_animals { entry.2 } else { entry.1 };
        let mut left = draw.uniform() * Crop::ALL.iter().map(share).sum::<f64>();
        let mut grown = Crop::WinterWheat;
        for entry in &Crop::ALL {
            grown = entry.0;
            left -= share(entry);
            if left < 0.0 {
                break;
            }
        }
        let mut declared = grown;
        if draw.chance(0.05) {
            while declared == grown {
                declared = Crop::ALL[draw.below(Crop::ALL.len())].0;
            }
        }
        let growth = grown.growth();
        let shift_days = draw.normal_within(0.0, 4.0);
        let whole = |day: f64| day.is_finite().then(|| libm::round(day) as i32);
        let sowing = whole(growth.sowing + draw.normal_within(0.0, 6.0));
        let harvest =
            whole(growth.harvest.0 + draw.normal_within(0.0, growth.harvest.1) + shift_days);
        let up_day = match sowing {
            Some(day) if day > 0 => f64::from(day) + growth.up.0 + 0.4 * shift_days,
            _ => growth.up.0 + shift_days,
        };
        let mut year = CropYear {
            grown,
            declared,
            sowing,
            harvest,
            mowings: Vec::new(),
            ploughing: None,
            catch_crop: None,
            winter_sowing: None,
            vigour: draw.normal_within(1.0, 0.05),
            shift_days,
            up_day,
            fall_day: growth.fall.0 + shift_days + draw.normal_within(0.0, 1.5),
        };
        year.draw_mowings(draw);
        year.draw_after_harvest(draw);
        year
    }

    fn draw_mowings(&mut self, draw: &mut Random) {
        let (first, gap, count) = match self.grown {
            Crop::PermanentGrass => (152.0, (40.0, 56.0), 2 + draw.below(2)),
            Crop::TemporaryGrass => (137.0, (33.0, 45.0), 3 + draw.below(2)),
            _ => return,
        };
        let mut day = draw.normal_within(first + self.shift_days, 6.0);
        for _ in 0..count {
            self.mowings.push(libm::round(day) as i32);
            day += draw.between(gap.0, gap.1);
        }
    }

    fn draw_after_harvest(&mut self, draw: &mut Random) {
        let Some(harvest) = self.harvest else { return };
        if draw.chance(0.85) {
            let ploughing = harvest + 5 + draw.below(30) as i32;
            self.ploughing = Some(ploughing);
            let is_early = ploughing < 250;
            if is_early && draw.chance(0.35) {
                self.catch_crop = Some(ploughing + 1 + draw.below(5) as i32);
            } else if draw.chance(0.6) {
                self.winter_sowing = Some((ploughing + 4).max(260 + draw.below(14) as i32));
            }
        }
    }

    /// Returns the stage on a day.
    pub fn stage(&self, day: f64) -> Stage {
        let is_past = |event: Option<i32>| event.filter(|&at| day >= f64::from(at) + 0.5);
        let mut stage = if let Some(harvest) = is_past(self.harvest) {
            self.after_harvest(day, harvest, is_past(self.ploughing))
        } else if self.sowing.is_some_and(|sowing| sowing > 0) && is_past(self.sowing).is_none() {
            // Bare or weedy land before a spring crop.
            Stage {
                green: 0.07,
                dry: 0.10,
                standing: 0.05,
                ..Stage::default()
            }
        } else {
            self.growing(day)
        };
        let worked = [
            self.sowing,
            self.ploughing,
            self.catch_crop,
            self.winter_sowing,
        ];
        let last_worked = worked.into_iter().filter_map(is_past).max();
        if let Some(at) = last_worked {
            stage.rough = libm::exp(-(day - f64::from(at) - 0.5) / 22.0);
        }
        stage
    }

    /// Days on which the surface changes suddenly, in order.
    pub fn disturbances(&self) -> Vec<i32> {
        let single = [
            self.sowing,
            self.harvest,
            self.ploughing,
            self.catch_crop,
            self.winter_sowing,
        ];
        let mut days: Vec<i32> = single
            .into_iter()
            .flatten()
            .chain(self.mowings.iter().copied())
            .collect();
        days.sort_unstable();
        days
    }

    fn growing(&self, day: f64) -> Stage {
        let growth = self.grown.growth();
        let top = (growth.top * self.vigour).min(0.97);
        let up = rise((day - self.up_day) / growth.up.1);
        let canopy = growth.winter + (top - growth.winter) * up;
        let ripe = rise((day - self.fall_day) / growth.fall.1);
        let left_green = if self.grown.is_grass() || self.grown == Crop::Fallow {
            0.55
        } else {
            0.06
        };
        let mut green = canopy * (1.0 - (1.0 - left_green) * ripe);
        let mut dry = 0.04 + 0.78 * (canopy - green);
        let mut standing = canopy * (1.0 - 0.15 * ripe);
        if self.grown.is_grass() {
            standing *= 0.75;
        }
        for &mowing in &self.mowings {
            let since = day - f64::from(mowing) - 0.5;
            if since >= 0.0 {
                let cut = libm::exp(-since / 13.0);
                green *= 1.0 - 0.74 * cut;
                standing *= 1.0 - 0.82 * libm::exp(-since / 22.0);
                dry += 0.16 * cut;
            }
        }
        let bell = |centre: f64, width: f64| {
            let x = (day - centre) / width;
            libm::exp(-x * x)
        };
        let flower = if self.grown == Crop::Rapeseed {
            0.75 * bell(131.0 + self.shift_days, 11.0)
        } else {
            0.0
        };
        let stems = if self.grown.is_cereal() {
            bell(self.up_day + 30.0, 24.0)
        } else {
            0.0
        };
        Stage {
            green,
            dry: dry.min(0.97 - green),
            flower,
            standing,
            stems,
            rough: 0.0,
        }
    }

    fn after_harvest(&self, day: f64, harvest: i32, ploughing: Option<i32>) -> Stage {
        let growth = self.grown.growth();
        let since = day - f64::from(harvest) - 0.5;
        let mut stage = match ploughing {
            None => Stage {
                // Volunteers and weeds come up between the stubble.
                green: 0.04 + 0.22 * rise((since - 26.0) / 6.0),
                dry: growth.straw * libm::exp(-since / 70.0),
                standing: 0.06,
                ..Stage::default()
            },
            Some(_) => Stage {
                green: 0.02,
                dry: 0.03,
                standing: 0.02,
                ..Stage::default()
            },
        };
        let next_crop = [
            (self.catch_crop, 25.0, 0.80),
            (self.winter_sowing, 24.0, 0.36),
        ];
        for (sowing, delay, top) in next_crop {
            if let Some(sowing) = sowing.filter(|&at| day >= f64::from(at) + 0.5) {
                let grown = top * rise((day - f64::from(sowing) - delay) / 5.5);
                stage.green = stage.green.max(grown);
                stage.standing = stage.standing.max(0.7 * grown);
            }
        }
        stage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn years(count: u64) -> Vec<CropYear> {
        let random = Random::new(11);
        (0..count)
            .map(|index| CropYear::draw(index % 2 == 0, &mut random.stream(index)))
            .collect()
    }

    #[test]
    fn shares_stay_within_the_ground() {
        for year in years(400) {
            for step in 0..730 {
                let stage = year.stage(f64::from(step) / 2.0);
                let shares = [
                    stage.green,
                    stage.dry,
                    stage.standing,
                    stage.flower,
                    stage.rough,
                ];
                assert!(
                    shares.iter().all(|share| (0.0..=1.0).contains(share)),
                    "{year:?} {stage:?}"
                );
                assert!(stage.green + stage.dry <= 1.0);
            }
        }
    }

    #[test]
    fn events_come_in_a_farmers_order() {
        for year in years(400) {
            let main = [year.sowing, year.harvest, year.ploughing];
            let days: Vec<i32> = main.into_iter().flatten().collect();
            assert!(days.is_sorted(), "{year:?}");
            assert!(year.mowings.is_sorted());
            assert_eq!(year.grown.is_grass(), (2..=4).contains(&year.mowings.len()));
            for sown in [year.catch_crop, year.winter_sowing].into_iter().flatten() {
                assert!(Some(sown) > year.ploughing);
            }
        }
    }

    #[test]
    fn about_one_in_twenty_declarations_is_wrong() {
        let wrong = years(4000)
            .iter()
            .filter(|year| year.grown != year.declared)
            .count();
        assert!((140..260).contains(&wrong), "{wrong}");
    }

    #[test]
    fn mowing_takes_green_away_at_noon() {
        let grass = years(50)
            .into_iter()
            .find(|year| year.grown == Crop::TemporaryGrass);
        let grass = grass.expect("livestock farms have grass");
        let day = f64::from(grass.mowings[0]);
        assert!(grass.stage(day + 0.49).green > grass.stage(day + 0.51).green + 0.3);
    }
}
