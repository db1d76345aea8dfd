// <part-viewer src="…glb" library="…three.js" marks='[{"at":[x,y,z],"text":"…"}]'>: a part to turn and look at, with
// numbered places in millimetres of its own axes. Drawn only when something changed. A button with data-mark="3"
// anywhere on the page turns the part to the third place.
import { say } from "./words.js";
import { colour, theme } from "./theme.js";

const APART = 28; // px between the middles of two numbers

class PartViewer extends HTMLElement {
  async connectedCallback() {
    this.note = document.createElement("p");
    this.append(this.note);
    try {
      this.three = await import(this.getAttribute("library"));
      this.build();
    } catch {
      this.note.textContent = say("The viewer needs WebGL.");
      return;
    }
    try {
      const loaded = await new this.three.GLTFLoader().loadAsync(this.getAttribute("src"));
      this.show(loaded.scene);
      this.pin();
      this.note.textContent = say("Drag to turn, scroll to zoom; arrow keys turn it too.");
      this.dataset.ready = "";
    } catch {
      this.note.textContent = say("The model could not be loaded.");
    }
  }

  build() {
    const { AmbientLight, DirectionalLight, HemisphereLight, OrbitControls, PerspectiveCamera, Scene, WebGLRenderer } = this.three;
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.prepend(this.renderer.domElement);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(32, 1, 0.001, 100);
    this.scene.add(new HemisphereLight(0xffffff, 0x666666, 1.6), new AmbientLight(0xffffff, 0.35));
    const sun = new DirectionalLight(0xffffff, 1.9);
    sun.position.set(2, 4, 3);
    this.camera.add(sun);
    this.scene.add(this.camera);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.ask());
    this.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this);
    theme.addEventListener("change", () => this.paint());
  }

  show(model) {
    const { Box3, EdgesGeometry, LineBasicMaterial, LineSegments, MeshStandardMaterial, Vector3 } = this.three;
    const box = new Box3().setFromObject(model);
    const size = box.getSize(new Vector3());
    const factor = 1 / (Math.max(size.x, size.y, size.z) || 1);
    model.scale.multiplyScalar(factor);
    model.position.sub(box.getCenter(new Vector3()).multiplyScalar(factor));
    this.skin = new MeshStandardMaterial({ roughness: 0.55, metalness: 0.25, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
    this.lines = new LineBasicMaterial();
    const meshes = [];
    model.traverse((part) => {
      if (part.isMesh) meshes.push(part);
      if (part.isLineSegments) part.material = this.lines;
      if (part.isMesh || part.isLineSegments) this.solid ??= part;
    });
    for (const mesh of meshes) {
      mesh.material = this.skin;
      if (!mesh.geometry.attributes.normal) mesh.geometry.computeVertexNormals();
      mesh.add(new LineSegments(new EdgesGeometry(mesh.geometry, 25), this.lines));
    }
    this.scene.add(model);
    this.camera.position.set(1.15, 0.95, 1.5);
    this.controls.update();
    this.paint();
    this.fit();
  }

  pin() {
    this.pins = JSON.parse(this.getAttribute("marks") || "[]").map((mark, index) => {
      const pin = document.createElement("button");
      pin.type = "button";
      pin.className = "pin";
      pin.textContent = index + 1;
      pin.title = mark.text;
      pin.setAttribute("aria-label", mark.text);
      pin.addEventListener("click", () => this.face(index));
      this.append(pin);
      const [x, y, z] = mark.at;
      return { pin, at: this.solid.localToWorld(new this.three.Vector3(x / 1000, y / 1000, z / 1000)) };
    });
    document.addEventListener("click", (event) => {
      const asked = event.target.closest?.("[data-mark]");
      if (!asked) return;
      this.face(Number(asked.dataset.mark) - 1);
      this.scrollIntoView({ block: "nearest" });
    });
    this.ask();
  }

  face(index) {
    const place = this.pins?.[index];
    if (!place) return;
    for (const one of this.pins) one.pin.toggleAttribute("data-chosen", one === place);
    const far = this.camera.position.length();
    if (place.at.length() > 0.05) {
      this.camera.position.copy(place.at).normalize().multiplyScalar(far);
      this.camera.position.y += 0.25 * far;
      this.camera.position.setLength(far);
    }
    this.controls.update();
    this.ask();
  }

  place() {
    const taken = [];
    for (const { pin, at } of this.pins ?? []) {
      const seen = at.clone().project(this.camera);
      let x = ((seen.x + 1) / 2) * this.clientWidth;
      const y = ((1 - seen.y) / 2) * this.clientHeight;
      // two places seen behind one another: the later number stands beside the earlier, so that each can be hit
      for (const other of taken) if (Math.abs(other.y - y) < APART && Math.abs(other.x - x) < APART) x = other.x + APART;
      taken.push({ x, y });
      pin.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  }

  paint() {
    if (!this.skin) return;
    const { Color } = this.three;
    const dark = colour("paper").match(/\d+/g)[0] < 128;
    this.skin.color = new Color(dark ? 0x8b979e : 0xc3cacd);
    this.lines.color = new Color(dark ? 0x0d1113 : 0x3b4449);
    this.ask();
  }

  key(event) {
    const turns = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] };
    const { Vector3 } = this.three;
    if (event.key === "+" || event.key === "-") this.camera.position.multiplyScalar(event.key === "+" ? 0.9 : 1.1);
    else if (event.key in turns) {
      const [around, up] = turns[event.key];
      this.camera.position.applyAxisAngle(new Vector3(0, 1, 0), around);
      this.camera.position.y += up;
    } else return;
    event.preventDefault();
    this.controls.update();
    this.ask();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.ask();
  }

  ask() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.renderer.render(this.scene, this.camera);
      this.place();
    });
  }
}

customElements.define("part-viewer", PartViewer);
